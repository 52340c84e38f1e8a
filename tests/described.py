"""Holds a value against a description: valid, and no key that the description does not name.

The vendors' descriptions leave objects open, so that validation alone would let a misspelt or
retired parameter pass.
"""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]


def assert_described(value: Any, schema: Schema, root: Schema) -> None:
    """Assert that the value follows the schema, whose references are into `root`."""
    Draft202012Validator({**root, **schema}).validate(value)
    unnamed = list(_unnamed(value, [schema], root, ""))
    assert unnamed == [], f"not described: {', '.join(unnamed)}"


def _unnamed(value: Any, schemas: list[Schema], root: Schema, path: str) -> Iterator[str]:
    """Name the keys that none of the schemas names."""
    parts = [part for schema in schemas for part in _parts(schema, root)]
    if isinstance(value, list):
        items = [part["items"] for part in parts if isinstance(part.get("items"), dict)]
        for index, item in enumerate(value):
            yield from _unnamed(item, items, root, f"{path}/{index}")
    elif isinstance(value, dict) and not any(_is_free(part) for part in parts):
        for key, inner in value.items():
            named = [part["properties"][key] for part in parts if key in part.get("properties", {})]
            if named:
                yield from _unnamed(inner, named, root, f"{path}/{key}")
            else:
                yield f"{path}/{key}"


def _parts(schema: Schema, root: Schema) -> Iterator[Schema]:
    """List the schema and all that it is composed of."""
    yield schema
    if "$ref" in schema:
        target: Any = root
        for key in schema["$ref"].removeprefix("#/").split("/"):
            target = target[key]
        yield from _parts(target, root)
    for composition in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(composition, ()):
            yield from _parts(part, root)


def _is_free(part: Schema) -> bool:
    """Say whether the object is a map of whatever keys the caller likes, and has no names for any.

    One that has names and is open is meant for what the vendor adds later.
    """
    is_map = part.get("type") == "object" and "properties" not in part
    return is_map and part.get("additionalProperties", False) is not False
