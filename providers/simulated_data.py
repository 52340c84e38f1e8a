"""An example of a JSON Schema: the simplest value that follows it."""

import json
import math
from collections.abc import Mapping
from typing import Any

from providers.errors import InvalidRequest, ProviderFault
from providers.generation import read_data

_DEEPEST = 32
# Below this only what must be there is made up: a tree that refers to itself would have no end.
_DEEPEST_OPTIONAL = 6
_LONGEST = 1_000  # items, or characters
_WORD = "simulated"


class NoExample(Exception):
    """The schema is too clever; the message says in which place, or why."""


def example_of(schema: dict[str, Any]) -> dict[str, Any]:
    """Make up data that follows a schema of an object.

    Raises:
        NoExample: What was made up does not follow it.
        InvalidRequest: It refers to another document.
    """
    try:
        return read_data(json.dumps(_value(schema, schema, 0)), schema)
    except OverflowError:
        raise NoExample("Its numbers are too large.") from None
    except ProviderFault as error:
        raise NoExample(error.message) from None


def _value(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        raise NoExample("It goes too deep.")
    if not isinstance(schema, Mapping):
        return _WORD
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    simpler = _simpler(schema, root)
    if simpler is not None:
        return _value(simpler, root, depth + 1)
    return _of_type(schema, root, depth)


def _simpler(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Resolve one reference or combination; None where there is none."""
    if "$ref" in schema:
        return _referred(schema["$ref"], root)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return _merge(_without(schema, choice), schema[choice][0])
    if "allOf" not in schema:
        return None
    merged = _without(schema, "allOf")
    for part in schema["allOf"]:
        merged = _merge(merged, part)
    return merged


def _of_type(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    match _type_of(schema):
        case "object":
            fields = schema.get("properties", {})
            optional = fields if depth < _DEEPEST_OPTIONAL else ()
            names = dict.fromkeys([*optional, *schema.get("required", ())])
            return {name: _value(fields.get(name, {}), root, depth + 1) for name in names}
        case "array":
            optional_items = 1 if depth < _DEEPEST_OPTIONAL else 0
            count = max(
                _bounded(schema, "minItems"), min(optional_items, schema.get("maxItems", 1))
            )
            return [_value(schema.get("items", {}), root, depth + 1)] * count if count else []
        case "integer" | "number" as kind:
            return _number(schema, 1 if kind == "integer" else None)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            text = _WORD.ljust(_bounded(schema, "minLength"), ".")
            return text[: schema.get("maxLength", len(text))]


def _bounded(schema: Mapping[str, Any], name: str) -> int:
    least: int = schema.get(name, 0)
    if least > _LONGEST:
        raise NoExample(f"Its {name} is more than {_LONGEST:,}.")
    return least


def _type_of(schema: Mapping[str, Any]) -> str:
    named = schema.get("type")
    if isinstance(named, list):
        return str(named[0])
    if named is None:
        return "object" if "properties" in schema else "string"
    return str(named)


def _number(schema: Mapping[str, Any], unit: int | None) -> float:
    """Return a number between the bounds, of which it may lack any."""
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    most = schema.get("maximum", schema.get("exclusiveMaximum"))
    step: float | None = schema.get("multipleOf", unit)
    if step is None:
        ends = [end for end in (least, most) if end is not None]
        if len(ends) == 1:
            return float(ends[0] + 1 if most is None else ends[0] - 1)
        return float(sum(ends) / 2)
    if least is not None:
        lowest: float = math.ceil(least / step) * step
        return lowest + step if lowest == schema.get("exclusiveMinimum") else lowest
    highest: float = min(0, math.floor((most or 0) / step) * step)
    return highest - step if highest == schema.get("exclusiveMaximum") else highest


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    if not reference.startswith("#"):
        raise InvalidRequest("response_schema refers to a schema outside of itself.")
    for name in filter(None, reference.removeprefix("#").split("/")):
        if not isinstance(found, Mapping) or name not in found:
            raise NoExample(f"It has no {reference}.")
        found = found[name]
    return found


def _without(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != name}


def _merge(one: Mapping[str, Any], other: Any) -> dict[str, Any]:
    if not isinstance(other, Mapping):
        return {**one}
    merged = {**one, **other}
    for name, join in (
        ("properties", lambda old, new: {**old, **new}),
        ("required", lambda old, new: [*old, *new]),
    ):
        if name in one and name in other:
            merged[name] = join(one[name], other[name])
    return merged
