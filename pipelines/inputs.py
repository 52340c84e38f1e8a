"""Checks a run's input against the pipeline's schema, before anything starts."""

import json
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from pipelines.errors import InvalidInput, Mistake, pointer_to
from pipelines.model import PipelineDefinition


def check_input(definition: PipelineDefinition, input_data: dict[str, Any]) -> None:
    """Validate the input.

    Raises:
        InvalidInput: with every mistake, pointers relative to the input.
    """
    validator = Draft202012Validator(definition.input_schema)
    mistakes = {
        mistake for error in validator.iter_errors(input_data) for mistake in _mistakes(error)
    }
    if mistakes:
        raise InvalidInput(sorted(mistakes, key=lambda mistake: (mistake.pointer, mistake.message)))


def _mistakes(error: ValidationError) -> Iterator[Mistake]:
    path = tuple(error.absolute_path)
    if error.validator == "required":
        schema: Any = error.schema
        required: Any = error.validator_value
        given: Any = error.instance
        properties = schema.get("properties") or {}
        for name in required:
            if name not in given:
                description = properties.get(name, {}).get("description")
                hint = f" It takes {description}." if description else ""
                yield Mistake(pointer_to((*path, name)), f"'{name}' is required.{hint}")
    else:
        yield Mistake(pointer_to(path), _sentence(error))


def _sentence(error: ValidationError) -> str:
    """Say what was expected; what was there instead may be private."""
    schema: Any = error.schema
    if error.validator == "additionalProperties" and "properties" in schema:
        known = ", ".join(schema["properties"])
        return f"{error.message}. Known keys: {known}."
    if error.validator == "type":
        expected: Any = error.validator_value
        wanted = expected if isinstance(expected, str) else " or ".join(expected)
        return f"Expected {wanted}, got {_kind(error.instance)}."
    return f"Expected {error.validator}: {json.dumps(error.validator_value)}."


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
