"""What is alike in every language model's answer: how it arrives, data by a schema."""

import json
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from referencing import Registry
from referencing.exceptions import Unresolvable

from providers.adapters.base import ReportProgress
from providers.errors import InvalidRequest, ProviderFault
from providers.types import Usage

# https://help.openai.com/en/articles/4936856, read 2026-11: a token is about four characters of
# English. Only progress is reckoned with it, never money.
_CHARACTERS_PER_TOKEN = 4
# The rest of the way is the last event, which brings the usage.
_ALMOST_DONE = 0.99


class ArrivingAnswer:
    """An answer as it arrives; progress is the part of `max_output_tokens` that has been written.

    Attributes:
        usage: In the words of `ProviderError.usage`; only figures that can't grow any more.
    """

    def __init__(self, max_output_tokens: int, report_progress: ReportProgress) -> None:
        """Begin with nothing written."""
        self._expected = max_output_tokens * _CHARACTERS_PER_TOKEN
        self._report = report_progress
        self._parts: list[str] = []
        self._length = 0
        self.usage: Usage | None = None

    def add(self, part: str) -> None:
        """Take the next part."""
        self._parts.append(part)
        self._length += len(part)
        self._report(min(self._length / self._expected, _ALMOST_DONE))

    @property
    def text(self) -> str:
        """All that has arrived."""
        return "".join(self._parts)

    def sent(self) -> None:
        """Note that the request goes out: from now on it may be billed."""
        self.usage = Usage()

    def turned_down(self) -> None:
        """Note that the vendor said no, or was not there: what had not begun is not billed."""
        if not self._parts and self.usage == Usage():
            self.usage = None


def check_schema(schema: dict[str, Any]) -> None:
    """Make sure, before anybody is paid, that an answer can follow the schema.

    Raises:
        InvalidRequest: It is no JSON Schema, or not one of an object. Not retried.
    """
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise InvalidRequest(
            f"response_schema is no JSON Schema (draft 2020-12): {error.json_path} is wrong."
        ) from None
    if schema.get("type") != "object":
        raise InvalidRequest('response_schema must describe an object: add "type": "object".')


def read_data(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Read a complete answer as the data that was asked for.

    Raises:
        ProviderFault: It is no JSON, or does not follow the schema. Retried.
        InvalidRequest: The schema refers to another document. Not retried.
    """
    try:
        data: dict[str, Any] = json.loads(text)
        # An empty registry: nothing that a schema refers to is fetched.
        Draft202012Validator(schema, registry=Registry()).validate(data)
    except json.JSONDecodeError:
        raise ProviderFault("The model's answer is no JSON.") from None
    except ValidationError as error:
        raise ProviderFault(
            f"The model's answer does not follow response_schema at {error.json_path}."
        ) from None
    except Unresolvable:
        raise InvalidRequest("response_schema refers to a schema outside of itself.") from None
    return data
