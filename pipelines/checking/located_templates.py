"""Where the expressions of a text with `${CEL}` stand."""

import re
from collections.abc import Iterator
from typing import Any

from pipelines.checking.cel_tokens import Problem
from pipelines.checking.findings import Path

MAX_LENGTH = 10_000
"""Characters of one expression, as everywhere in a definition."""

# A text that is not closed goes on to the end, so that no character is looked at twice.
_TOKEN = re.compile(
    r"""("(?:\\.|[^"\\])*(?:"|\\?\Z)|'(?:\\.|[^'\\])*(?:'|\\?\Z))|([{}])""", re.DOTALL
)


def texts_in(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Yield every text of a JSON value that holds a template, with its path."""
    if isinstance(value, str):
        if "${" in value:
            yield path, value
    elif isinstance(value, dict):
        for key, child in value.items():
            yield from texts_in(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from texts_in(child, (*path, index))


def located_expressions(text: str) -> Iterator[tuple[int, str] | Problem]:
    """Yield each expression with the offset at which it begins, in their order.

    A `${` that is not closed is a problem, and the last thing that is yielded.
    """
    position = 0
    while (start := text.find("${", position)) >= 0:
        if start > 0 and text[start - 1] == "$":
            position = start + 2
            continue
        end = _end(text, start + 2)
        if end is None:
            yield Problem(start, "This '${' has no closing '}' (a literal one is written '$${').")
            return
        inside = text[start + 2 : end]
        yield start + 2 + len(inside) - len(inside.lstrip()), inside.strip()
        position = end + 1


def is_one_expression(text: str, offset: int, source: str) -> bool:
    """Tell whether a text is this expression and nothing else, so that it may give any type."""
    before, after = text[:offset].rstrip(), text[offset + len(source) :].lstrip()
    return (before, after) == ("${", "}")


def _end(text: str, start: int) -> int | None:
    depth = 0
    for token in _TOKEN.finditer(text, start, start + MAX_LENGTH + 1):
        if token[2] == "{":
            depth += 1
        elif token[2] == "}":
            if depth == 0:
                return token.start()
            depth -= 1
    return None
