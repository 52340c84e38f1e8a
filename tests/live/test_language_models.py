"""OpenAI and Anthropic themselves: each capability once, for a small part of a cent each."""

import os
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.openai import OpenAIAdapter
from providers.errors import ProviderUnavailable
from providers.language_model import LanguageModelAdapter
from providers.prices import cost_of, upper_cost_of
from providers.types import (
    REQUESTS,
    GenerationRequest,
    GenerationResponse,
    RedactionRequest,
    RedactionResponse,
    Segment,
    SentimentRequest,
    SentimentResponse,
    SummarizationRequest,
    SummarizationResponse,
    Value,
)
from tests.asking import ask
from tests.billing import to_call

CENT = Decimal("0.01")
CALL = (
    Segment(start=0, end=2, speaker="agent", text="Thank you for calling. What is your number?"),
    Segment(
        start=2, end=5, speaker="caller", text="415-555-2671, I am Jane Doe, and I am furious!"
    ),
)
CAPITAL = {
    "type": "object",
    "properties": {"capital": {"type": "string"}},
    "required": ["capital"],
    "additionalProperties": False,
}

MakeAdapter = Callable[[SecretStr, str | None], LanguageModelAdapter[Any]]

pytestmark = [pytest.mark.live, pytest.mark.enable_socket]


def vendor(name: str, make: MakeAdapter) -> object:
    key = f"{name.upper()}_API_KEY"
    missing = pytest.mark.skipif(not os.environ.get(key), reason=f"no key: {key} is not set")
    return pytest.param(name, make, marks=missing, id=name)


by_each_vendor = pytest.mark.parametrize(
    ("name", "make"), [vendor("openai", OpenAIAdapter), vendor("anthropic", AnthropicAdapter)]
)


async def answer_of(name: str, make: MakeAdapter, request: Value) -> Value:
    """Ask for what the request is of; the answer has its exact cost, less than a cent.

    What is billed stays within what was told before: nobody else can say what a schema costs.
    """
    key, address = (os.environ.get(f"{name.upper()}_{end}") for end in ("API_KEY", "BASE_URL"))
    adapter = make(SecretStr(key or ""), address)
    progress: list[float] = []
    try:
        bounds = await adapter.upper_bounds(to_call(adapter, request))
        answer = await ask(adapter, request, progress.append, seconds=60)
        offers = {REQUESTS[offer.capability]: offer for offer in adapter.offers()}
    finally:
        await adapter.close()
    cost = cost_of(offers[type(request)], answer.usage)
    assert cost is not None
    assert 0 < cost < CENT
    most = upper_cost_of(offers[type(request)], bounds)
    assert most is not None
    assert cost <= most
    assert (answer.usage.input_tokens or 0) <= (bounds[0].input_tokens or 0)
    assert progress, "the answer is streamed"
    return answer.response


@by_each_vendor
async def test_llm_generation(name: str, make: MakeAdapter) -> None:
    request = GenerationRequest(
        prompt="What is the capital of France?", response_schema=CAPITAL, max_output_tokens=64
    )
    response = await answer_of(name, make, request)
    assert isinstance(response, GenerationResponse)
    assert response.data == {"capital": "Paris"}
    assert response.finish_reason == "stop"


@by_each_vendor
async def test_pii_redaction(name: str, make: MakeAdapter) -> None:
    response = await answer_of(name, make, RedactionRequest(segments=CALL))
    assert isinstance(response, RedactionResponse)
    assert not {"415-555-2671", "Jane", "Doe"} & set(response.text.replace(".", " ").split())
    assert {entity.segment for entity in response.entities} == {1}


@by_each_vendor
async def test_sentiment_analysis(name: str, make: MakeAdapter) -> None:
    response = await answer_of(name, make, SentimentRequest(segments=CALL))
    assert isinstance(response, SentimentResponse)
    assert [one.speaker for one in response.segments or ()] == ["agent", "caller"]
    assert (response.segments or ())[1].label == "negative"


@by_each_vendor
async def test_summarization(name: str, make: MakeAdapter) -> None:
    text = "\n".join(segment.text for segment in CALL)
    response = await answer_of(name, make, SummarizationRequest(text=text, max_sentences=1))
    assert isinstance(response, SummarizationResponse)
    assert 0 < len(response.text) < 2 * len(text)


@by_each_vendor
async def test_wrong_key_is_told_apart_and_not_shown(name: str, make: MakeAdapter) -> None:
    wrong = "sk-wrong-0123456789abcdef"
    adapter = make(SecretStr(wrong), os.environ.get(f"{name.upper()}_BASE_URL"))
    try:
        with pytest.raises(ProviderUnavailable) as caught:
            await ask(adapter, GenerationRequest(prompt="Hello", max_output_tokens=16))
    finally:
        await adapter.close()
    assert wrong not in str(caught.value)
    assert caught.value.usage is None
