"""CEL expressions over a run's context.

Evaluation is deterministic and terminates: the language has no side effects, no clock and no
unbounded loop. Maps come back from the C++ runtime in an order that differs from process to
process, so every map of a result is put in the order of its keys here; a replayed workflow
therefore sees the same value.
"""

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from pipelines.errors import ExpressionError

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def names_in(source: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """Tell which of the candidates occur as a word in the expression, in a stable order.

    May name one too many (a word inside a string literal), never one too few.
    """
    return tuple(sorted(set(_IDENTIFIER.findall(source)).intersection(candidates)))


@lru_cache(maxsize=4096)
def _compile(source: str, names: tuple[str, ...]) -> cel.Expression:
    env = cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
    try:
        return env.compile(source)
    except RuntimeError as error:
        raise ExpressionError(f"'{source}' is not a valid expression: {error}") from error


def evaluate(source: str, context: Mapping[str, Any]) -> Any:
    """Evaluate an expression; only the names that occur in it are handed to the runtime.

    Raises:
        ExpressionError: It does not compile, or its evaluation ends in an error.
    """
    names = names_in(source, context)
    expression = _compile(source, names)
    try:
        value = expression.eval(data={name: context[name] for name in names})
    except RuntimeError as error:
        # Thrown, not returned: the iteration budget is used up, or a value that is no text.
        raise ExpressionError(f"'{source}' can't be evaluated: {error}") from error
    if value.type() == cel.Type.ERROR:
        raise ExpressionError(f"'{source}' can't be evaluated: {value.value()}")
    return _as_json(value.plain_value(), source)


def _as_json(value: Any, source: str) -> Any:
    """Put every map in the order of its keys; refuse what CEL has and JSON has not."""
    match value:
        case dict() if all(isinstance(key, str) for key in value):
            return {key: _as_json(value[key], source) for key in sorted(value)}
        case list():
            return [_as_json(item, source) for item in value]
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
    kind = type(value).__name__
    raise ExpressionError(f"'{source}' gives a value that JSON can't hold ({kind})")
