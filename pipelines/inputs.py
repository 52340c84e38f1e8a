"""Checks a run's input against the pipeline's schema, before anything starts."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import chain, islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry

from pipelines.errors import InvalidInput, Mistake, pointer_to
from pipelines.model import PipelineDefinition
from pipelines.vocabulary import RESERVED

MOST_MISTAKES = 20  # that are told at once: a body may have thousands
_LONGEST_NAME = 64  # characters of a key that are repeated to who sent it
_TYPES = {
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_RULES = {
    "enum": "must be one of {}",
    "const": "must be {}",
    "pattern": "must match the pattern {}",
    "format": "must have the format {}",
    "minLength": "must have at least {} characters",
    "maxLength": "may have at most {} characters",
    "minimum": "must be at least {}",
    "maximum": "may be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minItems": "must have at least {} items",
    "maxItems": "may have at most {} items",
    "minProperties": "must have at least {} keys",
    "maxProperties": "may have at most {} keys",
    "uniqueItems": "must not hold the same item twice",
    "contains": "lacks an item that is required",
    "anyOf": "fits none of the allowed forms",
    "oneOf": "must fit exactly one of the allowed forms",
    "not": "has a form that is not allowed",
}
"""What a keyword of JSON Schema asks for, as the rest of a sentence; {} is the keyword's value."""


def named(path: Sequence[str | int], whole: str) -> str:
    """Name a place for people: the keys that lead there, or the whole."""
    return f"'{'.'.join(_shortened(part) for part in path)}'" if path else whole


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Say that a key is unknown, with the nearest one and all there are."""
    names = list(known)
    near = get_close_matches(key[:_LONGEST_NAME], names, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    known_ones = f"Known keys: {', '.join(names)}." if names else "No key is allowed here."
    return f"There is no key '{_shortened(key)}'.{hint} {known_ones}"


def check_input(definition: PipelineDefinition, input_data: dict[str, Any]) -> None:
    """Validate the input, and that each of its keys may stand in the run's context.

    A schema's references stay inside it: none is ever fetched.

    Raises:
        InvalidInput: with the mistakes, pointers relative to the input.
    """
    validator = Draft202012Validator(definition.input_schema, registry=Registry())
    found = (
        Mistake(pointer_to(path), message)
        for error in validator.iter_errors(input_data)
        for path, message in _mistakes(error)
    )
    mistakes = set(islice(chain(_keys(definition, input_data), found), MOST_MISTAKES))
    if mistakes:
        raise InvalidInput(sorted(mistakes, key=lambda mistake: (mistake.pointer, mistake.message)))


def _keys(definition: PipelineDefinition, input_data: dict[str, Any]) -> Iterator[Mistake]:
    """Find keys that expressions can't use, and those that a step's output would hide."""
    makers = {step.output_key: step.name for step in definition.steps}
    for key in input_data:
        if key in RESERVED:
            message = f"'{key}' is reserved in expressions and can't be a key of the input."
            yield Mistake(pointer_to((key,)), message)
        elif key in makers:
            message = f"'{key}' would be hidden by the output of step '{makers[key]}'."
            yield Mistake(pointer_to((key,)), message)


def _mistakes(error: ValidationError) -> Iterator[tuple[Sequence[str | int], str]]:
    """Say where and what was expected; what was there instead may be private."""
    path = tuple(error.absolute_path)
    schema: Any = error.schema
    given: Any = error.instance
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    if error.validator == "required":
        required: Any = error.validator_value
        for name in required:
            if name not in given:
                yield (*path, name), _missing((*path, name), properties.get(name))
    elif error.validator == "additionalProperties":
        patterns = schema.get("patternProperties", ())
        for key in given:
            if key not in properties and not any(re.search(pattern, key) for pattern in patterns):
                yield path, unknown_key(key, properties)
    else:
        yield path, f"{named(path, 'The input')} {_rule(error)}."


def _missing(path: Sequence[str | int], schema: Any) -> str:
    description = schema.get("description") if isinstance(schema, dict) else None
    hint = f" It takes {description}." if description else ""
    return f"{named(path, 'The input')} is required.{hint}"


def _rule(error: ValidationError) -> str:
    keyword = str(error.validator)
    value: Any = error.validator_value
    if keyword == "type":
        types = [value] if isinstance(value, str) else value
        wanted = " or ".join(_TYPES[name] for name in types)
        return f"must be {wanted}, got {_kind(error.instance)}"
    if keyword in ("minLength", "minItems", "minProperties") and value == 1:
        return "must not be empty"
    rule = _RULES.get(keyword)
    if rule is None:
        return f"does not fit the pipeline's schema ({keyword})"
    values = value if keyword == "enum" and isinstance(value, list) else [value]
    return rule.format(", ".join(json.dumps(one, ensure_ascii=False) for one in values))


def _kind(value: Any) -> str:
    kinds = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "true or false",
        float: "a fractional number",
        type(None): "null",
    }
    return kinds.get(type(value), "a number")


def _shortened(part: str | int) -> str:
    name = str(part)
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
