"""What is Anthropic's own; what holds for every vendor is in `test_language_models`."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from providers.adapters.anthropic import AnthropicAdapter
from providers.errors import (
    InputTooLarge,
    InvalidRequest,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
    UnsupportedInput,
)
from providers.prices import cost_of
from providers.types import GenerationResponse, Message, Usage
from tests.asking import generate
from tests.dialects import ANTHROPIC
from tests.fake_vendor import FakeVendor, serve_fake_vendor

started, delta, ending = ANTHROPIC.started, ANTHROPIC.delta, ANTHROPIC.ending
error_body, BEGUN, USED = ANTHROPIC.error_body, ANTHROPIC.begun, ANTHROPIC.used
SCHEMA = {
    "type": "object",
    "properties": {"mood": {"type": "string"}, "score": {"type": "integer", "minimum": 1}},
    "required": ["mood"],
}


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with serve_fake_vendor() as vendor:
        yield vendor


@pytest.fixture
async def adapter(vendor: FakeVendor) -> AsyncIterator[AnthropicAdapter]:
    adapter = ANTHROPIC.adapter(vendor.url)
    yield adapter
    await adapter.close()


async def test_long_requests_cost_the_long_price(adapter: AnthropicAdapter) -> None:
    offer = adapter.offers()[0]
    at = Usage(input_tokens=100_000, output_tokens=1)
    above = Usage(input_tokens=100_001, output_tokens=1)
    assert cost_of(offer, at) == Decimal("0.0100005")
    assert cost_of(offer, above) == Decimal("0.050003")


@pytest.mark.parametrize("parameter", ["temperature", "top_p", "top_k"])
async def test_sampling_is_not_asked_for_and_would_not_pass(
    vendor: FakeVendor, adapter: AnthropicAdapter, parameter: str
) -> None:
    vendor.stream(started(), *ending())
    await generate(adapter)
    body = vendor.asked[0].body
    assert parameter not in body
    with pytest.raises(AssertionError, match=parameter):
        ANTHROPIC.assert_valid({**body, parameter: 0})


async def test_what_the_system_says_stands_apart(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.stream(started(), *ending())
    messages = [Message(role="system", content="Two."), Message(role="user", content="Hello")]
    await generate(adapter, system="One.", messages=messages)
    assert vendor.asked[0].body["system"] == "One.\n\nTwo."
    assert vendor.asked[0].body["messages"] == [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("role", ["assistant", "system"])
async def test_conversation_must_end_with_the_user(
    vendor: FakeVendor, adapter: AnthropicAdapter, role: str
) -> None:
    with pytest.raises(UnsupportedInput):
        await generate(adapter, messages=[{"role": role, "content": "Hello"}])
    assert vendor.asked == []


async def test_thinking_and_priority_are_not_asked_for(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.stream(started(), *ending())
    await generate(adapter)
    assert vendor.asked[0].body["thinking"] == {"type": "disabled"}
    assert vendor.asked[0].body["service_tier"] == "standard_only"


async def test_schema_is_sent_as_far_as_the_vendor_can_follow_it(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.stream(started(), delta('{"mood": "good"}'), *ending())
    await generate(adapter, response_schema=SCHEMA)
    sent = vendor.asked[0].body["output_config"]["format"]["schema"]
    assert sent["additionalProperties"] is False
    assert "minimum" not in sent["properties"]["score"]


async def test_answer_is_held_against_the_whole_schema(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.stream(started(), delta('{"mood": "good", "score": 0}'), *ending())
    with pytest.raises(ProviderFault):
        await generate(adapter, response_schema=SCHEMA)


async def test_schema_that_the_vendor_can_not_follow_is_for_another(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    with pytest.raises(UnsupportedInput):
        await generate(adapter, response_schema=schema)
    assert vendor.asked == []


async def test_answer_that_filled_the_context_was_cut_off(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.stream(started(), delta("a"), *ending("model_context_window_exceeded"))
    answer = await generate(adapter)
    assert answer.response == GenerationResponse(text="a", finish_reason="length")


async def test_refusal_names_its_category(vendor: FakeVendor, adapter: AnthropicAdapter) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "About your virus."}
    vendor.stream(started(), delta("I"), *ending("refusal", stop_details=details))
    with pytest.raises(Refused) as caught:
        await generate(adapter)
    assert str(caught.value) == "The model declined to answer (cyber)."


@pytest.mark.parametrize(
    ("events", "usage"),
    [
        pytest.param([started(), *ending("refusal")], USED, id="refusal"),
        pytest.param([started(), *ending("pause_turn")], USED, id="unknown ending"),
        pytest.param([started(), delta("no json"), *ending()], USED, id="breaks the schema"),
        pytest.param([started(), delta("a"), ending()[0]], USED, id="broke off in the end"),
        pytest.param([started(), delta("a")], BEGUN, id="broke off"),
        pytest.param([started(), error_body("overloaded_error")], BEGUN, id="error in the stream"),
        pytest.param([error_body("overloaded_error")], None, id="error before the beginning"),
        pytest.param([], Usage(), id="nothing"),
    ],
)
async def test_failure_tells_what_may_be_billed(
    vendor: FakeVendor,
    adapter: AnthropicAdapter,
    events: list[dict[str, Any]],
    usage: Usage | None,
) -> None:
    vendor.stream(*events)
    with pytest.raises(ProviderError) as caught:
        await generate(adapter, response_schema=SCHEMA)
    assert caught.value.usage == usage


def test_usage_that_still_grows_has_no_cost(adapter: AnthropicAdapter) -> None:
    assert cost_of(adapter.offers()[0], BEGUN) is None


async def test_unknown_stop_reason_is_a_fault_and_a_log_line(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.stream(started(), *ending("pause_turn"))
    with capture_logs() as logs, pytest.raises(ProviderFault):
        await generate(adapter)
    assert [line["reason"] for line in logs] == ["pause_turn"]


@pytest.mark.parametrize(
    ("status", "kind", "code", "expected"),
    [
        (400, "invalid_request_error", None, InvalidRequest),
        (400, "invalid_request_error", "organization_on_hold", ProviderUnavailable),
        (400, "invalid_request_error", "cmek_key_disabled", ProviderUnavailable),
        (401, "authentication_error", None, ProviderUnavailable),
        (402, "billing_error", None, QuotaExhausted),
        (403, "permission_error", None, ProviderUnavailable),
        (404, "not_found_error", None, ProviderUnavailable),
        (413, "request_too_large", None, InputTooLarge),
        (422, "invalid_request_error", None, InvalidRequest),
        (429, "rate_limit_error", None, RateLimited),
        (429, "rate_limit_error", "ramp_limit_exceeded", RateLimited),
        (429, "rate_limit_error", "enforced_spend_limit_reached", QuotaExhausted),
        (500, "api_error", None, ProviderFault),
        (503, "api_error", "cmek_key_unreachable", ProviderFault),
        (504, "timeout_error", None, ProviderFault),
        (529, "overloaded_error", None, ProviderFault),
    ],
)
async def test_documented_errors(
    vendor: FakeVendor,
    adapter: AnthropicAdapter,
    status: int,
    kind: str,
    code: str | None,
    expected: type[ProviderError],
) -> None:
    vendor.answer(status, error_body(kind, code), {"retry-after": "9"})
    with pytest.raises(expected) as caught:
        await generate(adapter)
    assert caught.value.retry_after == timedelta(seconds=9)


@pytest.mark.parametrize(
    ("prompt", "output", "expected"),
    [
        pytest.param("x" * 999_000, 1_000, InvalidRequest, id="fits"),
        pytest.param("x" * 999_000, 1_001, InputTooLarge, id="with its answer"),
        pytest.param("\u6f22" * 333_334, 1, InputTooLarge, id="more than a token a character"),
    ],
)
async def test_prompt_that_may_be_beyond_the_context_is_too_large(
    vendor: FakeVendor,
    adapter: AnthropicAdapter,
    prompt: str,
    output: int,
    expected: type[ProviderError],
) -> None:
    vendor.answer(400, error_body("invalid_request_error"))
    with pytest.raises(expected):
        await generate(adapter, prompt=prompt, max_output_tokens=output)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", ProviderFault),
        ("rate_limit_error", RateLimited),
        ("invalid_request_error", InvalidRequest),
        ("new_error", ProviderFault),
    ],
)
async def test_error_in_the_stream(
    vendor: FakeVendor, adapter: AnthropicAdapter, kind: str, expected: type[ProviderError]
) -> None:
    vendor.stream(started(), delta("a"), error_body(kind))
    with pytest.raises(expected):
        await generate(adapter)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [started(), delta("a")],
        [started(), delta("a"), ending()[0]],
        [{"type": "message_start"}],
        [started(input_tokens=-1), *ending()],
    ],
)
async def test_answer_that_can_not_be_read_is_a_fault(
    vendor: FakeVendor, adapter: AnthropicAdapter, events: list[dict[str, Any]]
) -> None:
    vendor.stream(*events)
    with pytest.raises(ProviderFault):
        await generate(adapter)
