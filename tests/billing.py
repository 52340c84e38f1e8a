"""Vendors of language models that tokenize as badly as can be: a token for each byte.

Around that they put what their pages say, and what was measured.
"""

import json
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.base import ProviderAdapter, ProviderCall
from providers.adapters.compatible import CompatibleAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.compatible_server import CompatibleServer
from providers.types import REQUESTS, Capability, Offer, Value
from tests.dialects import ANTHROPIC, OPENAI, Event

CONTEXT = 40_960
Share = tuple[float, float]
"""Which parts of the input are read from the cache and written to it."""


def size(text: str) -> int:
    """Count tokens as no tokenizer does, of the text or of its normal form."""
    forms = (text, unicodedata.normalize("NFKC", text))
    return max(len(form.encode()) for form in forms)


@dataclass
class OpenAIBill:
    """https://raw.githubusercontent.com/openai/openai-cookbook/main/articles/openai-harmony.md."""

    share: Share = (0, 0)

    def read(self, body: Mapping[str, Any]) -> int:
        asked = body["input"]
        turns = [asked] if isinstance(asked, str) else [turn["content"] for turn in asked]
        tokens = 2  # <|start|>assistant
        for text in turns:
            tokens += 4 + size(text)  # <|start|>user<|message|>…<|end|>
        if "instructions" in body:
            tokens += 4 + 3 + size(body["instructions"])  # # Instructions
        if "text" in body:
            # A heading and the name: 9 in https://github.com/openai/openai-cookbook/issues/2140.
            tokens += 4 + 9 + size(json.dumps(body["text"]["format"]["schema"], ensure_ascii=False))
        return tokens

    def events(self, body: Mapping[str, Any]) -> Sequence[Event]:
        read = self.read(body)
        usage = {
            "input_tokens": read,
            "input_tokens_details": {
                "cached_tokens": int(read * self.share[0]),
                "cache_write_tokens": int(read * self.share[1]),
            },
            "output_tokens": body["max_output_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 0,
        }
        return [OPENAI.delta("{}"), OPENAI.ended(text="{}", usage=usage)]


@dataclass
class AnthropicBill:
    """A schema brings a prompt as long as the longest of those for tools, and is told once more."""

    share: Share = (0, 0)

    def read(self, body: Mapping[str, Any]) -> int:
        tokens = sum(7 + size(turn["content"]) for turn in body["messages"])
        tokens += size(body.get("system", ""))
        if "output_config" in body:
            schema = body["output_config"]["format"]["schema"]
            tokens += 804 + size(json.dumps(schema, indent=1, ensure_ascii=False))
        return tokens

    def events(self, body: Mapping[str, Any]) -> Sequence[Event]:
        read = self.read(body)
        cached, kept = (int(read * part) for part in self.share)
        ending = {"stop_reason": "end_turn", "stop_sequence": None}
        return [
            ANTHROPIC.started(
                input_tokens=read - cached - kept,
                cache_read_input_tokens=cached,
                cache_creation_input_tokens=kept,
            ),
            ANTHROPIC.delta("{}"),
            {
                "type": "message_delta",
                "delta": ending,
                "usage": {"output_tokens": body["max_tokens"]},
            },
            {"type": "message_stop"},
        ]


@dataclass
class ServerBill:
    """A template of 300 tokens, and no more than the context."""

    share: Share = (0, 0)

    def events(self, body: Mapping[str, Any]) -> Sequence[Event]:
        told = 300 + sum(4 + size(turn["content"]) for turn in body["messages"])
        read = min(told, CONTEXT)
        chunk = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_795_000_000,
            "model": "qwen",
            "type": "chunk",  # the fake writes it before each event
            "choices": [{"index": 0, "delta": {"content": "{}"}, "finish_reason": "stop"}],
            "usage": {
                "prompt_tokens": read,
                "completion_tokens": body["max_tokens"],
                "prompt_tokens_details": {"cached_tokens": int(read * self.share[0])},
            },
        }
        return [chunk]


Bill = OpenAIBill | AnthropicBill | ServerBill


def offer_of(adapter: ProviderAdapter, request: Value) -> Offer:
    capability = next(one for one in Capability if REQUESTS[one] is type(request))
    return next(offer for offer in adapter.offers() if offer.capability is capability)


def to_call(adapter: ProviderAdapter, request: Value) -> ProviderCall:
    offer = offer_of(adapter, request)
    return ProviderCall("call-1", offer.capability, offer.model, request, None, 20)


def server(url: str = "http://127.0.0.1:9/v1", **fields: Any) -> CompatibleAdapter:
    entry = {
        "name": "vllm",
        "base_url": url,
        "model": "qwen",
        "input_usd_per_mtok": "0.12",
        "output_usd_per_mtok": "0.40",
        "context_tokens": CONTEXT,
        "keeps_limits": True,
        **fields,
    }
    return CompatibleAdapter(CompatibleServer.model_validate(entry), None)


STANDS: dict[str, tuple[Callable[[str], ProviderAdapter], Callable[[], Bill]]] = {
    "openai": (lambda url: OpenAIAdapter(SecretStr(OPENAI.key), f"{url}/v1"), OpenAIBill),
    "anthropic": (lambda url: AnthropicAdapter(SecretStr(ANTHROPIC.key), url), AnthropicBill),
    "vllm": (lambda url: server(f"{url}/v1"), ServerBill),
}
