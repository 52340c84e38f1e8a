"""Strings with `${CEL}` inside; `$${` stands for a literal `${`."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.errors import ExpressionError
from pipelines.expressions import evaluate

# Strings of CEL, so that a brace inside one does not end the expression.
_TOKEN = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|([{}])""")


def expressions_in(value: Any) -> Iterator[str]:
    """Yield every expression of every string in a JSON value."""
    if isinstance(value, str):
        yield from (part for part, is_expression in parts_of(value) if is_expression)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from expressions_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from expressions_in(item)


def render(value: Any, context: Mapping[str, Any]) -> Any:
    """Fill every template of a JSON value.

    A string that is one expression and nothing else becomes that expression's value, of any type.

    Raises:
        ExpressionError: An expression does not compile or evaluate, or its `}` is missing.
    """
    if isinstance(value, str):
        return _render_text(value, context)
    if isinstance(value, Mapping):
        return {key: render(item, context) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [render(item, context) for item in value]
    return value


def _render_text(template: str, context: Mapping[str, Any]) -> Any:
    parts = list(parts_of(template))
    if len(parts) == 1 and parts[0][1]:
        return evaluate(parts[0][0], context)
    return "".join(
        _as_text(evaluate(part, context)) if is_expression else part
        for part, is_expression in parts
    )


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def parts_of(template: str) -> Iterator[tuple[str, bool]]:
    """Split a text into its literals (with False) and its expressions (with True)."""
    literal, position = "", 0
    while (start := template.find("${", position)) >= 0:
        if start > 0 and template[start - 1] == "$":
            literal += template[position : start - 1] + "${"
            position = start + 2
            continue
        literal += template[position:start]
        if literal:
            yield literal, False
            literal = ""
        end = _end_of_expression(template, start + 2)
        yield template[start + 2 : end].strip(), True
        position = end + 1
    literal += template[position:]
    if literal:
        yield literal, False


def _end_of_expression(template: str, start: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(template, start):
        match token[2]:
            case "{":
                depth += 1
            case "}" if depth == 0:
                return token.start()
            case "}":
                depth -= 1
    raise ExpressionError(f"the '${{' at character {start - 1} of {template!r} has no closing '}}'")
