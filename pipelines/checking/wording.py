"""Says in plain words what a JSON Schema asks for, and what was there instead."""

from typing import Any

NAME_FORM = (
    "a name of lower-case letters, digits and '_' that begins with a letter "
    "and has at most 64 characters"
)
_SHOWN = 40
_EXPRESSION_LENGTH = 10_000
_NAME_PATTERN = "^[a-z][a-z0-9_]{0,63}$"
_KINDS = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}
_BY_KEY = {
    "version": "a semantic version in text, such as 1.0.0",
    "max_cost_usd": 'an amount in USD above 0, such as "0.50"',
    "input": (
        "a key of the context, such as transcript, or a mapping of fields to expressions, "
        "such as {text: transcript.text}"
    ),
    "needs": "a list of step names",
    "providers": "a list of providers' names",
    "steps": "a list of 1 to 200 steps",
}

Schema = dict[str, Any]


def resolved(node: Schema, root: Schema) -> Schema:
    """Follow a `$ref` into the schema's own definitions."""
    reference = node.get("$ref")
    return root["$defs"][reference.rpartition("/")[2]] if reference else node


def branches(node: Schema, root: Schema) -> list[Schema]:
    """List the alternatives of a node, without null."""
    found = [resolved(branch, root) for branch in node.get("anyOf", [node])]
    return [branch for branch in found if branch.get("type") != "null"]


def below(node: Schema, part: str | int, root: Schema) -> Schema:
    """Return the schema of what stands under a key or an index; empty when anything may."""
    for branch in branches(node, root):
        if isinstance(part, int):
            child = branch.get("items")
        else:
            patterns = branch.get("patternProperties", {})
            child = branch.get("properties", {}).get(part) or next(iter(patterns.values()), None)
        if isinstance(child, dict):
            return child
    return {}


def expected(key: str, node: Schema, root: Schema) -> str:
    """Say what stands under a key."""
    if key in _BY_KEY:
        return _BY_KEY[key]
    return " or ".join(dict.fromkeys(_expected(branch) for branch in branches(node, root)))


def _expected(node: Schema) -> str:
    if "enum" in node:
        return f"one of {', '.join(node['enum'])}"
    if node.get("pattern") == _NAME_PATTERN:
        return NAME_FORM
    if node.get("maxLength") == _EXPRESSION_LENGTH:
        return f"an expression{_length(node).replace(' of ', ' in text of ')}"
    kind = str(node.get("type"))
    bounds = _length(node) if kind == "string" else _range(node)
    return _KINDS.get(kind, "something else") + bounds


def _range(node: Schema) -> str:
    low, above, high = (node.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None and high is not None:
        return f" from {_number(low)} to {_number(high)}"
    if above is not None and high is not None:
        return f" above {_number(above)} and at most {_number(high)}"
    return f" of at least {_number(low)}" if low is not None else ""


def _length(node: Schema) -> str:
    low, high = node.get("minLength"), node.get("maxLength")
    if low and high:
        return f" of {low} to {high} characters"
    return f" of at most {high} characters" if high else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def found(value: Any) -> str:
    """Say what was there, without long values."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        text = str(value)
        return f"the number {text}" if len(text) <= _SHOWN else "a very long number"
    if isinstance(value, str) and value:
        return f"'{value}'" if len(value) <= _SHOWN else f"text of {len(value)} characters"
    if isinstance(value, str | list) and not value:
        return "empty text" if isinstance(value, str) else "an empty list"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "a mapping"
