"""What is alike in every language model's answer: how it arrives, data by a schema."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Annotated, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from pydantic import AfterValidator
from pydantic_core import from_json
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
# s: the end of a stream comes with its last event, unless somebody in between holds it back.
_END_SECONDS = 0.1


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
        return well_formed("".join(self._parts))

    def sent(self) -> None:
        """Note that the request goes out: from now on it may be billed."""
        self.usage = Usage()

    def turned_down(self) -> None:
        """Note that the vendor said no, or was not there: what had not begun is not billed."""
        if not self._parts and self.usage == Usage():
            self.usage = None


async def read_end(stream: AsyncIterator[Any]) -> None:
    """Read a stream that has told all to its end, so that its connection can be used again.

    Whatever goes wrong meanwhile costs no more than the connection.
    """
    with suppress(Exception):
        async with asyncio.timeout(_END_SECONDS):
            async for _ in stream:
                pass


def well_formed(text: str) -> str:
    """Join the halves of characters that JSON has escaped one by one; replace those left alone."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


WrittenText = Annotated[str, AfterValidator(well_formed)]
"""What a model wrote, complete, as an SDK that does not look at it hands it on."""


def may_not_fit(texts: Iterable[str], output_tokens: int, context_tokens: int | None) -> bool:
    """Say whether prompt and answer may be more than a model's context, where that is known.

    No token is shorter than a byte, so that what has no more bytes fits for sure.
    """
    size = sum(len(text.encode(errors="replace")) for text in texts)
    return context_tokens is not None and size + output_tokens > context_tokens


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
        ProviderFault: It is no JSON, or none that can be handed on (half a character, a number
            without end, 200 levels), or does not follow the schema. Retried.
        InvalidRequest: The schema refers to another document, or to itself without end. Not
            retried.
    """
    try:
        data: dict[str, Any] = from_json(text, allow_inf_nan=False)
        json.dumps(data, allow_nan=False)  # 1e999 is infinite, too
        # An empty registry: nothing that a schema refers to is fetched.
        Draft202012Validator(schema, registry=Registry()).validate(data)
    except ValidationError as error:
        raise ProviderFault(
            f"The model's answer does not follow response_schema at {error.json_path}."
        ) from None
    except Unresolvable:
        raise InvalidRequest("response_schema refers to a schema outside of itself.") from None
    except RecursionError:
        raise InvalidRequest("response_schema refers to itself without end.") from None
    except ValueError:
        raise ProviderFault("The model's answer is no JSON.") from None
    return data
