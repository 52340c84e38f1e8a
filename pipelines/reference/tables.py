"""Tables of keys: what may stand there, its default, what it means."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from pipelines.model import SEMANTIC_VERSION, Cel, ContextKey, Name
from pipelines.schema import described

Schema = dict[str, Any]

_NAME = get_args(Name)[1].pattern
_CONTEXT_KEY = get_args(ContextKey)[1].pattern
_LONGEST_EXPRESSION = get_args(Cel)[1].max_length
_PLAIN = {
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "number": "number",
    "object": "mapping",
    "string": "text",
}
# Models with a part of their own, by the heading under which it stands.
_HEADINGS = {
    "Capability": ("capability", "capabilities"),
    "FallbackPolicy": ("mapping", "fallback"),
    "RetryPolicy": ("mapping", "retry"),
    "StepDefinition": ("step", "step"),
    "Entity": ("entity", "entity"),
    "Message": ("message", "message"),
    "Segment": ("segment", "segment"),
    "SegmentSentiment": ("segment's mood", "segment-sentiment"),
}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; a `|` inside a cell would end it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def keys_of(model: type[BaseModel]) -> str:
    """Return the keys of a model that may be written."""
    schema = described(model.model_json_schema(), model)
    rows = [
        [f"`{name}`", _allowed(name, node), _default(model, name), node["description"]]
        for name, node in schema["properties"].items()
    ]
    return table(["key", "takes", "default", "meaning"], rows)


def fields_of(model: type[BaseModel]) -> str:
    """Return the fields of a value that a run makes."""
    schema = described(model.model_json_schema(), model)
    rows = [
        [f"`{name}`", _allowed(name, node) + _or_null(node), node["description"]]
        for name, node in schema["properties"].items()
    ]
    return table(["field", "is", "meaning"], rows)


def about(model: type[BaseModel]) -> str:
    """Return the sentence that says what a model is."""
    return str(described(model.model_json_schema(), model)["description"])


def _default(model: type[BaseModel], name: str) -> str:
    info = model.model_fields[name]
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=True)
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, BaseModel):
        return "each key's own"
    return f"`{json.dumps(value)}`".replace('"', "") if value or value is False else "empty"


def _allowed(name: str, node: Schema) -> str:
    if name == "max_cost_usd":
        return "USD above 0"
    branches = [part for part in node.get("anyOf", [node]) if part.get("type") != "null"]
    return " or ".join(_words(branch) for branch in branches)


def _or_null(node: Schema) -> str:
    return " or `null`" if {"type": "null"} in node.get("anyOf", ()) else ""


def _words(node: Schema, *, many: bool = False) -> str:
    if "$ref" in node:
        word, anchor = _HEADINGS[node["$ref"].rpartition("/")[2]]
        return f"[{_plural(word, many=many)}](#{anchor})"
    if "enum" in node:
        values = [f"`{value}`" for value in node["enum"]]
        return f"{', '.join(values[:-1])} or {values[-1]}"
    if node.get("type") == "array":
        return f"list of {_count(node)}{_words(node['items'], many=True)}"
    if "patternProperties" in node:
        (inner,) = node["patternProperties"].values()
        return f"mapping of [names](#names) to {_words(inner, many=True)}"
    return _scalar(node, many=many)


def _scalar(node: Schema, *, many: bool) -> str:
    if node.get("pattern") == _NAME:
        return f"[{_plural('name', many=many)}](#names)"
    if node.get("pattern") == _CONTEXT_KEY:
        return "key of the context"
    if node.get("pattern") == SEMANTIC_VERSION:
        return "[semantic version](https://semver.org), in text"
    if node.get("maxLength") == _LONGEST_EXPRESSION:
        return f"[{_plural('expression', many=many)}](#expressions)"
    return _plural(_PLAIN[node["type"]], many=many) + _bounds(node)


def _plural(word: str, *, many: bool) -> str:
    plurals = {"text": "texts", "segment's mood": "segments' moods", "entity": "entities"}
    return plurals.get(word, f"{word}s") if many else word


def _count(node: Schema) -> str:
    return f"{node['minItems']} to {node['maxItems']} " if "maxItems" in node else ""


def _bounds(node: Schema) -> str:
    low, above, high = (node.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if node.get("maxLength"):
        return f", at most {node['maxLength']:,} characters"
    if low is not None and high is not None:
        return f", {low:,} to {high:,}"
    if above is not None and high is not None:
        return f" above {above:,}, at most {high:,}"
    return f", at least {low:,}" if low is not None else ""
