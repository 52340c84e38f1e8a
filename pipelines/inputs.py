"""Checks a run's input against the pipeline's schema, before anything starts."""

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from pipelines.errors import InvalidInput, Mistake
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
    pointer = "".join(f"/{_escape(part)}" for part in error.absolute_path)
    if error.validator == "required":
        properties = error.schema.get("properties") or {}
        for name in error.validator_value:
            if name not in error.instance:
                description = properties.get(name, {}).get("description")
                hint = f" It takes {description}." if description else ""
                yield Mistake(f"{pointer}/{_escape(name)}", f"'{name}' is required.{hint}")
    else:
        yield Mistake(pointer, _sentence(error))


def _sentence(error: ValidationError) -> str:
    if error.validator == "additionalProperties" and "properties" in error.schema:
        known = ", ".join(error.schema["properties"])
        return f"{error.message}. Known keys: {known}."
    if error.validator == "type":
        expected = error.validator_value
        wanted = expected if isinstance(expected, str) else " or ".join(expected)
        return f"Expected {wanted}, got {_kind(error.instance)}."
    return f"{error.message}."


def _escape(part: str | int) -> str:
    """Escape one reference token (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
