"""How each vendor of language models writes what it answers, so that one test can be for all."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest
from anthropic.types import ErrorResponse, RawMessageStreamEvent
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import SecretStr, TypeAdapter

from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.language_model import LanguageModelAdapter
from providers.types import Usage
from tests.described import assert_described

Event = dict[str, Any]
AdapterT = TypeVar("AdapterT", bound=LanguageModelAdapter[Any])

_SPEC = Path(__file__).resolve().parents[2] / "shared" / "specs" / "openai.json"


class Dialect(ABC, Generic[AdapterT]):
    """One vendor's way to say what all of them say.

    Attributes:
        used: What `told` says was used.
        begun: What is known of an answer's usage once it has begun and not ended.
        silence: How its adapter calls a vendor that stops in the middle.
    """

    name: str
    vendor: str
    model: str
    key: str
    path: str
    used: Usage
    begun: Usage
    silence: str

    @abstractmethod
    def adapter(self, url: str, key: str | None = None) -> AdapterT:
        """Make an adapter that asks the server at this address."""

    @abstractmethod
    def told(self, *parts: str) -> Sequence[Event]:
        """Write a whole answer."""

    @abstractmethod
    def broken_off(self, text: str = "a") -> Sequence[Event]:
        """Write an answer that has begun and not ended."""

    @abstractmethod
    def cut_off(self, text: str) -> Sequence[Event]:
        """Write an answer that reached `max_output_tokens`."""

    @abstractmethod
    def refusal(self) -> Sequence[Event]:
        """Write that the model declines."""

    @abstractmethod
    def error_body(
        self, kind: str | None = None, code: str | None = None, words: str = "No.", **more: Any
    ) -> Event:
        """Write the body of a failure."""

    @abstractmethod
    def assert_valid(self, body: Any) -> None:
        """Assert that a request is one of the vendor's API, without a key that is not there."""

    @abstractmethod
    def assert_answer(self, event: Event) -> None:
        """Assert that the vendor's API has such an event."""

    @abstractmethod
    def assert_error(self, body: Event) -> None:
        """Assert that the vendor's API fails like this."""


class OpenAI(Dialect[OpenAIAdapter]):
    """The Responses API."""

    name, vendor, model = "openai", "OpenAI", "gpt-6-luna"
    key = "sk-proj-0123456789abcdefghij"
    path = "/v1/responses"
    used = Usage(
        input_tokens=1000, cached_input_tokens=200, cache_write_input_tokens=100, output_tokens=51
    )
    begun = Usage()
    silence = "in time"

    def adapter(self, url: str, key: str | None = None) -> OpenAIAdapter:
        return OpenAIAdapter(SecretStr(key or self.key), f"{url}/v1")

    def told(self, *parts: str) -> Sequence[Event]:
        return [*map(self.delta, parts), self.ended(text="".join(parts))]

    def broken_off(self, text: str = "a") -> Sequence[Event]:
        return [self.delta(text)]

    def cut_off(self, text: str) -> Sequence[Event]:
        reason = {"reason": "max_output_tokens"}
        return [self.delta(text), self.ended("incomplete", text, incomplete_details=reason)]

    def refusal(self) -> Sequence[Event]:
        content = {"type": "refusal", "refusal": "I can't."}
        return [self.ended(output=[self.message(content)])]

    def error_body(
        self, kind: str | None = None, code: str | None = None, words: str = "No.", **more: Any
    ) -> Event:
        return {"error": {"message": words, "type": kind, "param": None, "code": code, **more}}

    def assert_valid(self, body: Any) -> None:
        self.assert_is("CreateResponse", body)

    def assert_answer(self, event: Event) -> None:
        self.assert_is("ResponseStreamEvent", event)

    def assert_error(self, body: Event) -> None:
        self.assert_is("ErrorResponse", body)

    def assert_is(self, name: str, value: Any) -> None:
        """Assert that a value is what the description has under this name."""
        root = {"components": openai_description()["components"]}
        assert_described(value, {"$ref": f"#/components/schemas/{name}"}, root)

    def delta(self, text: str) -> Event:
        return {
            "type": "response.output_text.delta",
            "item_id": "msg_1",
            "output_index": 0,
            "content_index": 0,
            "delta": text,
            "sequence_number": 1,
            "logprobs": [],
        }

    def ended(self, how: str = "completed", text: str = "", **changes: Any) -> Event:
        response = self._response(text, status=how, **changes)
        return {"type": f"response.{how}", "response": response, "sequence_number": 2}

    def message(self, content: Event) -> Event:
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [content],
        }

    def _response(self, text: str, **changes: Any) -> Event:
        content = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": 1_795_000_000,
            "status": "completed",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "model": self.model,
            "tools": [],
            "tool_choice": "auto",
            "parallel_tool_calls": True,
            "metadata": {},
            "temperature": 1,
            "top_p": 1,
            "output": [self.message(content)],
            "usage": {
                "input_tokens": 1000,
                "input_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 100},
                "output_tokens": 51,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 1051,
            },
            **changes,
        }


class Anthropic(Dialect[AnthropicAdapter]):
    """The Messages API."""

    name, vendor, model = "anthropic", "Anthropic", "claude-haiku-5-5"
    key = "sk-ant-api03-0123456789abcdefghij"
    path = "/v1/messages"
    used = OpenAI.used
    begun = Usage(input_tokens=1000, cached_input_tokens=200, cache_write_input_tokens=100)
    silence = "in the middle"

    def adapter(self, url: str, key: str | None = None) -> AnthropicAdapter:
        return AnthropicAdapter(SecretStr(key or self.key), url)

    def told(self, *parts: str) -> Sequence[Event]:
        return [self.started(), {"type": "ping"}, *map(self.delta, parts), *self.ending()]

    def broken_off(self, text: str = "a") -> Sequence[Event]:
        return [self.started(), self.delta(text)]

    def cut_off(self, text: str) -> Sequence[Event]:
        return [self.started(), self.delta(text), *self.ending("max_tokens")]

    def refusal(self) -> Sequence[Event]:
        return [self.started(), self.delta("I"), *self.ending("refusal")]

    def error_body(
        self, kind: str | None = None, code: str | None = None, words: str = "No.", **more: Any
    ) -> Event:
        details = {"details": {"error_code": code}} if code else {}
        error = {"type": kind or "new_error", "message": words, **details, **more}
        return {"type": "error", "error": error}

    def assert_valid(self, body: Any) -> None:
        self.assert_is(MessageCreateParamsStreaming, body)

    def assert_answer(self, event: Event) -> None:
        # https://platform.claude.com/docs/en/build-with-claude/streaming, read 2026-11, has pings,
        # which the SDK keeps to itself.
        if event != {"type": "ping"}:
            self.assert_is(RawMessageStreamEvent, event)

    def assert_error(self, body: Event) -> None:
        self.assert_is(ErrorResponse, body)

    def assert_is(self, kind: Any, value: Any) -> None:
        """Assert that a value is what the SDK has as this type: there is no other description."""
        description = _schema_of(kind)
        assert_described(value, description, description)

    def started(self, **usage: int) -> Event:
        told = {
            "input_tokens": 700,
            "cache_read_input_tokens": 200,
            "cache_creation_input_tokens": 100,
            "output_tokens": 1,
        }
        return {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": self.model,
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {**told, **usage},
            },
        }

    def delta(self, text: str) -> Event:
        return {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": text},
        }

    def ending(self, reason: str = "end_turn", **details: Any) -> Sequence[Event]:
        return [
            {
                "type": "message_delta",
                "delta": {"stop_reason": reason, "stop_sequence": None, **details},
                "usage": {"output_tokens": 51},
            },
            {"type": "message_stop"},
        ]


OPENAI, ANTHROPIC = OpenAI(), Anthropic()
DIALECTS: Sequence[Dialect[Any]] = (OPENAI, ANTHROPIC)


@cache
def _read_openai_description() -> dict[str, Any] | None:
    description: dict[str, Any] | None = json.loads(_SPEC.read_text()) if _SPEC.exists() else None
    return description


def openai_description() -> dict[str, Any]:
    """Return OpenAI's description of its API; a test that needs it is skipped without."""
    description = _read_openai_description()
    if description is None:
        pytest.skip("the vendors' API descriptions are not here")
    return description


@cache
def _schema_of(kind: Any) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema()
