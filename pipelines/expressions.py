"""CEL expressions over a run's context.

Evaluation is deterministic and terminates: the language has no side effects, no clock and no
unbounded loop. Maps come back from the C++ runtime in an order that differs from process to
process, so every map of a result is put in the order of its keys here; a replayed workflow
therefore sees the same value. Where an expression goes over a map itself that does not help: a
workflow has it evaluated once, outside of itself (`may_differ`).
"""

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from pipelines.errors import ExpressionError
from pipelines.expression_errors import complaint, failure, missing_names, shown

_ORDERED_MACRO = re.compile(r"\.\s*(?:filter|map)\s*\(")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KINDS = {
    "Type": "a type",
    "bytearray": "bytes",
    "datetime": "a time",
    "dict": "a mapping whose keys are not text",
    "float": "an endless number",
    "timedelta": "a duration",
}

_JSON_KINDS = {
    "NoneType": "null",
    "float": "a number",
    "int": "a number",
    "list": "a list",
    "str": "a text",
}


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
        if missing := missing_names(str(error)):
            no_such = " and ".join(f"no '{name}'" for name in missing)
            raise _not_evaluated(source, f"there is {no_such}") from error
        message = f"'{shown(source)}' is not a valid expression: {complaint(str(error))}"
        raise ExpressionError(message) from error


def _not_evaluated(source: str, reason: str) -> ExpressionError:
    return ExpressionError(f"'{shown(source)}' can't be evaluated: {reason}")


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
        raise _not_evaluated(source, failure(str(error), source)) from error
    if value.type() == cel.Type.ERROR:
        raise _not_evaluated(source, failure(str(value.value()), source))
    return _as_json(value.plain_value(), source)


def may_differ(source: str) -> bool:
    """Tell of an expression that its value may have another order in another process.

    `map` and `filter` go over a mapping in the order that the runtime has it in, which is drawn
    anew for each process. Says so of lists as well, where nothing can differ.
    """
    return _ORDERED_MACRO.search(source) is not None


def as_condition(value: Any, source: str) -> bool:
    """Take the value of an expression that is to be true or false.

    Raises:
        ExpressionError: It is neither.
    """
    if isinstance(value, bool):
        return value
    kind = _JSON_KINDS.get(type(value).__name__, "an object")
    raise _not_evaluated(source, f"it gives {kind}, expected true or false")


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
    kind = _KINDS.get(type(value).__name__, type(value).__name__)
    raise ExpressionError(f"'{shown(source)}' gives a value that JSON can't hold: {kind}")
