"""The schema of a run's input: whether it is one, and which names it gives to expressions.

The keywords are those of JSON Schema 2020-12, https://json-schema.org/draft/2020-12/schema (read
2026-11-24). They are looked at here and not through the meta-schema, which takes a hundred times as
long and says less. Nothing outside the document is ever fetched.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from cel_expr_python import cel

from pipelines.checking.cel_types import schema_type
from pipelines.checking.findings import Finding, Path
from pipelines.checking.wording import found
from pipelines.vocabulary import RESERVED, hint

MAX_PATTERN_CHARACTERS = 10_000
MAX_REFERENCES = 200
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_SCHEMAS = """
additionalProperties propertyNames items contains not if then else unevaluatedItems
unevaluatedProperties contentSchema
"""
_ONE = frozenset(_SCHEMAS.split())
_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
_SIZES = """
minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains
"""
_COUNTS = frozenset(_SIZES.split())
_NUMBERS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_WORDS = """
$id $schema $ref $anchor $dynamicRef $dynamicAnchor $comment title description pattern format
contentEncoding contentMediaType
"""
_TEXTS = frozenset(_WORDS.split())
_FLAGS = frozenset({"uniqueItems", "deprecated", "readOnly", "writeOnly"})
_PAIRS = (
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minContains", "maxContains"),
    ("minimum", "maximum"),
)
# Schemas that hold for the same value; following only these must come to an end.
_IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas")
# What may give the input more keys than `properties` tells.
_OTHERS = "$ref $dynamicRef allOf anyOf oneOf if dependentSchemas patternProperties"
_OPENING = frozenset(_OTHERS.split())


@dataclass(frozen=True)
class InputKeys:
    """The keys of a run's input.

    Attributes:
        types: Of the keys that the schema names.
        open: Whether there may be others.
        reserved: Those that expressions can't use, each with its place in the schema.
    """

    types: dict[str, cel.Type]
    open: bool
    reserved: tuple[tuple[str, Path], ...] = ()


def input_keys(schema: Any) -> InputKeys:
    """Tell which names a schema gives to expressions."""
    if not isinstance(schema, dict):
        return InputKeys({}, open=True)
    properties = schema.get("properties")
    named = properties if isinstance(properties, dict) else {}
    written = schema.get("required")
    required = enumerate(written if isinstance(written, list) else ())
    places: dict[str, Path] = {
        name: ("required", place) for place, name in required if isinstance(name, str)
    }
    places |= {name: ("properties", name) for name in named}
    types = {
        name: schema_type(named.get(name))
        for name in (*named, *places)
        if name not in RESERVED and _IDENTIFIER.fullmatch(name)
    }
    others = schema.get("additionalProperties", "properties" not in schema)
    is_open = others is not False or bool(_OPENING & schema.keys())
    reserved = tuple((name, place) for name, place in places.items() if name in RESERVED)
    return InputKeys(types, is_open, reserved)


def schema_findings(schema: dict[str, Any], path: Path) -> Iterator[Finding]:
    """Find everything that makes a schema no JSON Schema, or one that can never be met."""
    check = _SchemaCheck(schema, path)
    is_schema = True
    for finding in check.findings():
        is_schema = False
        yield finding
    if is_schema:
        if "object" not in schema.get("type", "object"):
            yield Finding((*path, "type"), "A run's input is an object: 'type' must be object.")
        yield from check.endless()


def response_schema_findings(schema: dict[str, Any], path: Path) -> Iterator[Finding]:
    """Find what makes the schema of a model's answer none; its patterns are the provider's."""
    is_schema = True
    for finding in _SchemaCheck(schema, path, patterns=False).findings():
        is_schema = False
        yield finding
    if is_schema and schema.get("type") != "object":
        yield Finding(path, "A model's answer is an object: 'type' must be object.")


class _SchemaCheck:
    def __init__(self, root: Any, path: Path, *, patterns: bool = True) -> None:
        self._root = root
        self._path = path
        self._patterns = patterns
        self._pattern_characters = 0
        self._seen: set[int] = set()
        self._referenced: list[tuple[Any, Path]] = []

    def findings(self) -> Iterator[Finding]:
        yield from self._look_at(self._root, self._path)
        while self._referenced:
            schema, path = self._referenced.pop()
            if id(schema) not in self._seen:  # it stands where no schema is expected
                yield from self._look_at(schema, path)

    def _look_at(self, schema: Any, path: Path) -> Iterator[Finding]:
        self._seen.add(id(schema))
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            yield Finding(
                path, f"A schema must be a mapping, true or false, found {found(schema)}."
            )
            return
        for key, value in schema.items():
            yield from self._keyword(key, value, (*path, key))
        yield from _never_met(schema, path)
        for low, high in _PAIRS:
            if low not in schema or high not in schema:
                continue
            least, most = schema[low], schema[high]
            if _is_number(least) and _is_number(most) and least > most:
                yield Finding((*path, high), f"'{high}' {most} is less than '{low}' {least}.")

    def _keyword(self, key: str, value: Any, path: Path) -> Iterator[Finding]:
        if key in _ONE:
            yield from self._look_at(value, path)
        elif key in _MANY:
            if _is_filled_list(value):
                for index, schema in enumerate(value):
                    yield from self._look_at(schema, (*path, index))
            else:
                yield _wrong(key, "a list of schemas", value, path)
        elif key in _NAMED:
            if isinstance(value, dict):
                for name, schema in value.items():
                    if key == "patternProperties":
                        yield from self._pattern(name, (*path, name), at_key=True)
                    yield from self._look_at(schema, (*path, name))
            else:
                yield _wrong(key, "a mapping of schemas", value, path)
        else:
            yield from self._plain(key, value, path)

    def _plain(self, key: str, value: Any, path: Path) -> Iterator[Finding]:
        for keys, fits, wanted in _PLAIN:
            if key in keys and not fits(value):
                yield _wrong(key, wanted, value, path)
                return
        match key:
            case "type":
                yield from _type(value, path)
            case "pattern":
                yield from self._pattern(value, path, at_key=False)
            case "$schema" if value.rstrip("#") != _DIALECT:
                yield Finding(path, f"'$schema' must be {_DIALECT}, found {found(value)}.")
            case "$id" if path[:-1] != self._path:
                yield Finding(path, "'$id' stands only at the top: all references start there.")
            case "$ref" | "$dynamicRef":
                yield from self._reference(value, path)

    def _pattern(self, pattern: str, path: Path, *, at_key: bool) -> Iterator[Finding]:
        if not self._patterns:
            return
        self._pattern_characters += len(pattern)
        if self._pattern_characters > MAX_PATTERN_CHARACTERS:
            message = f"All patterns together have at most {MAX_PATTERN_CHARACTERS} characters."
            yield Finding(path, message, at_key=at_key)
            return
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            yield Finding(path, f"The pattern is no regular expression: {error}.", at_key=at_key)

    def _reference(self, value: str, path: Path) -> Iterator[Finding]:
        if not value.startswith("#"):
            yield Finding(
                path,
                f"'{path[-1]}' must stay in this schema and begin with '#', found {found(value)}.",
            )
        elif (target := self._target(value)) is None:
            yield Finding(path, f"There is nothing at {found(value)} in this schema.")
        else:
            self._referenced.append(target)

    def _target(self, reference: str) -> tuple[Any, Path] | None:
        """Follow a reference such as `#/$defs/name`; none when it leads nowhere."""
        if reference not in {"#", ""} and not reference.startswith("#/"):
            return None
        value, path = self._root, self._path
        for part in unquote(reference).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value, path = value[int(key)], (*path, int(key))
            elif isinstance(value, dict) and key in value:
                value, path = value[key], (*path, key)
            else:
                return None
        return (value, path) if isinstance(value, dict | bool) else None

    def endless(self) -> Iterator[Finding]:
        """Find references that lead back to themselves without going into the value."""
        references = list(_references(self._root, self._path))
        if len(references) > MAX_REFERENCES:
            yield Finding(self._path, f"A schema has at most {MAX_REFERENCES} references.")
            return
        targets = {reference: self._target(reference) for _, reference in references}
        ways = {way: set(_in_place(target and target[0])) for way, target in targets.items()}
        endless = {reference for reference in ways if reference in _reached(reference, ways)}
        for where, reference in references:
            if reference in endless:
                yield Finding(where, f"The reference {found(reference)} leads back to itself.")


def _never_met(schema: dict[str, Any], path: Path) -> Iterator[Finding]:
    """Find keys that are required and not allowed."""
    properties, required = schema.get("properties", {}), schema.get("required")
    is_closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    if not (is_closed and isinstance(properties, dict) and _is_name_list(required)):
        return
    for place, name in enumerate(required or ()):
        if name not in properties:
            message = partial(_unknown_property, name, properties)
            yield Finding((*path, "required", place), message)


def _unknown_property(name: str, properties: dict[str, Any]) -> str:
    nearest = hint(name, properties)
    return f"'properties' has no {found(name)}, and no other key is allowed.{nearest}"


def _reached(start: str, ways: dict[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    pending = set(ways[start])
    while pending:
        reference = pending.pop()
        seen.add(reference)
        pending |= ways.get(reference, set()) - seen
    return seen


def _in_place(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        return
    for key in ("$ref", "$dynamicRef"):
        if key in schema:
            yield schema[key]
    for key in _IN_PLACE:
        value = schema.get(key)
        children = value if isinstance(value, list) else [value]
        if key == "dependentSchemas" and isinstance(value, dict):
            children = list(value.values())
        for child in children:
            yield from _in_place(child)


def _references(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in children:
        if key in {"$ref", "$dynamicRef"} and isinstance(child, str):
            yield (*path, key), child
        elif isinstance(child, dict | list):
            yield from _references(child, (*path, key))


def _type(value: Any, path: Path) -> Iterator[Finding]:
    kinds = value if _is_filled_list(value) else [value]
    for kind in kinds:
        if kind not in _TYPES:
            yield Finding(path, partial(_unknown_type, kind))


def _unknown_type(kind: Any) -> str:
    return f"Unknown type {found(kind)}.{hint(kind if isinstance(kind, str) else '', _TYPES)}"


def _wrong(key: str, wanted: str, value: Any, path: Path) -> Finding:
    return Finding(path, f"'{key}' must be {wanted}, found {found(value)}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_filled_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value)


def _is_name_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _are_name_lists(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_name_list(names) for names in value.values())


_PLAIN: tuple[tuple[frozenset[str], Callable[[Any], bool], str], ...] = (
    (_COUNTS, _is_count, "a whole number of at least 0"),
    (_NUMBERS, _is_number, "a number"),
    (frozenset({"multipleOf"}), lambda v: _is_number(v) and v > 0, "a number above 0"),
    (_TEXTS, lambda v: isinstance(v, str), "text"),
    (_FLAGS, lambda v: isinstance(v, bool), "true or false"),
    (frozenset({"required"}), _is_name_list, "a list of names"),
    (frozenset({"dependentRequired"}), _are_name_lists, "a mapping of lists of names"),
    (frozenset({"enum", "examples"}), lambda v: isinstance(v, list), "a list"),
)
