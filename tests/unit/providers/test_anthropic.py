import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import SecretStr, TypeAdapter
from structlog.testing import capture_logs

from providers.adapters.anthropic import ERRORS, AnthropicAdapter
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress, ReportUsage
from providers.error_table import ErrorRow
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
from providers.types import Capability, GenerationRequest, GenerationResponse, Message, Usage
from tests.described import assert_described
from tests.fake_vendor import FakeVendor, serve_fake_vendor

KEY = "sk-ant-api03-0123456789abcdefghij"
MODEL = "claude-haiku-5-5"
# What is known of an answer's usage once it has begun, and in the end.
BEGUN = Usage(input_tokens=700)
USED = Usage(input_tokens=700, output_tokens=51)
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
    adapter = AnthropicAdapter(SecretStr(KEY), vendor.url)
    yield adapter
    await adapter.close()


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return TypeAdapter(MessageCreateParamsStreaming).json_schema()


def started(**usage: int) -> dict[str, Any]:
    """Begin a message as Anthropic does."""
    return {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": MODEL,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 700, "output_tokens": 1, **usage},
        },
    }


def delta(text: str) -> dict[str, Any]:
    return {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    }


def ending(reason: str = "end_turn", **details: Any) -> list[dict[str, Any]]:
    return [
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None, **details},
            "usage": {"output_tokens": 51},
        },
        {"type": "message_stop"},
    ]


def error_body(kind: str, code: str | None = None, words: str = "No.") -> dict[str, Any]:
    details = {"details": {"error_code": code}} if code else {}
    return {"type": "error", "error": {"type": kind, "message": words, **details}}


async def generate(
    adapter: AnthropicAdapter,
    report: ReportProgress = lambda _: None,
    seconds: float = 20,
    report_usage: ReportUsage = lambda _: None,
    **request: Any,
) -> ProviderAnswer:
    fields = request if "messages" in request else {"prompt": "How are you?", **request}
    call = ProviderCall(
        call_id="call-1",
        capability=Capability.LLM_GENERATION,
        model=MODEL,
        request=GenerationRequest.model_validate(fields),
        audio=None,
        timeout=seconds,
        report_usage=report_usage,
    )
    return await adapter.call(call, report)


async def test_answer_brings_text_usage_and_exact_cost(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    begin = started(cache_read_input_tokens=200, cache_creation_input_tokens=100)
    vendor.stream(begin, {"type": "ping"}, delta("Fine, "), delta("thanks."), *ending())
    answer = await generate(adapter)
    assert answer.response == GenerationResponse(text="Fine, thanks.", finish_reason="stop")
    assert answer.usage == Usage(
        input_tokens=1000, cached_input_tokens=200, cache_write_input_tokens=100, output_tokens=51
    )
    # claude-haiku-5-5, USD per million: 0.10 input, 0.01 cached, 0.125 written, 0.50 output.
    assert cost_of(adapter.offers()[0], answer.usage) == Decimal("0.00011")
    assert vendor.asked[0].path == "/v1/messages"
    assert vendor.asked[0].headers["authorization"] == f"bearer {KEY}"


async def test_long_requests_cost_the_long_price(adapter: AnthropicAdapter) -> None:
    offer = adapter.offers()[0]
    at = Usage(input_tokens=100_000, output_tokens=1)
    above = Usage(input_tokens=100_001, output_tokens=1)
    assert cost_of(offer, at) == Decimal("0.0100005")
    assert cost_of(offer, above) == Decimal("0.050003")


async def test_progress_is_the_part_that_has_been_written(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.stream(started(), delta("x" * 10), delta("x" * 10), delta("x" * 400), *ending())
    progress: list[float] = []
    await generate(adapter, progress.append, max_output_tokens=10)
    assert progress == [0.25, 0.5, 0.99]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"system": "Be brief.", "max_output_tokens": 400},
        {"response_schema": SCHEMA},
        {"messages": [Message(role="system", content="a"), Message(role="user", content="b")]},
    ],
)
async def test_requests_follow_the_types_of_the_api(
    vendor: FakeVendor,
    adapter: AnthropicAdapter,
    description: dict[str, Any],
    fields: dict[str, Any],
) -> None:
    vendor.stream(started(), delta('{"mood": "good"}'), *ending())
    await generate(adapter, **fields)
    body = vendor.asked[0].body
    assert_described(body, description, description)
    assert not {"temperature", "top_p", "top_k"} & set(body)


def test_types_refuse_an_unknown_parameter(description: dict[str, Any]) -> None:
    body = {
        "model": MODEL,
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "temperature": 0,
    }
    with pytest.raises(AssertionError, match="temperature"):
        assert_described(body, description, description)


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


async def test_schema_makes_data(vendor: FakeVendor, adapter: AnthropicAdapter) -> None:
    vendor.stream(started(), delta('{"mood":'), delta(' "good"}'), *ending())
    answer = await generate(adapter, response_schema=SCHEMA)
    assert isinstance(answer.response, GenerationResponse)
    assert answer.response.data == {"mood": "good"}
    sent = vendor.asked[0].body["output_config"]["format"]["schema"]
    assert sent["additionalProperties"] is False
    assert "minimum" not in sent["properties"]["score"]


@pytest.mark.parametrize("text", ["no json", '{"mood": 1}', '{"mood": "good", "score": 0}'])
async def test_data_that_breaks_the_schema_is_a_fault(
    vendor: FakeVendor, adapter: AnthropicAdapter, text: str
) -> None:
    vendor.stream(started(), delta(text), *ending())
    with pytest.raises(ProviderFault):
        await generate(adapter, response_schema=SCHEMA)


async def test_schema_that_the_vendor_can_not_follow_is_for_another(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}
    with pytest.raises(UnsupportedInput):
        await generate(adapter, response_schema=schema)
    assert vendor.asked == []


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
async def test_answer_that_was_cut_off_says_so(
    vendor: FakeVendor, adapter: AnthropicAdapter, reason: str
) -> None:
    vendor.stream(started(), delta('{"mood'), *ending(reason))
    answer = await generate(adapter, response_schema=SCHEMA)
    assert answer.response == GenerationResponse(text='{"mood', finish_reason="length")


async def test_refusal_is_refused(vendor: FakeVendor, adapter: AnthropicAdapter) -> None:
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


@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
async def test_request_that_was_turned_down_costs_nothing(
    vendor: FakeVendor, adapter: AnthropicAdapter, status: int
) -> None:
    vendor.answer(status, error_body("new_error"))
    with pytest.raises(ProviderError) as caught:
        await generate(adapter)
    assert caught.value.usage is None


async def test_unknown_stop_reason_is_a_fault_and_a_log_line(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.stream(started(), *ending("pause_turn"))
    with capture_logs() as logs, pytest.raises(ProviderFault):
        await generate(adapter)
    assert [line["reason"] for line in logs] == ["pause_turn"]


@pytest.mark.parametrize("row", ERRORS, ids=str)
async def test_every_row_of_the_error_table(
    vendor: FakeVendor, adapter: AnthropicAdapter, row: ErrorRow
) -> None:
    # A status that would be something else without the row.
    status = row.status or (418 if row.error is ProviderFault else 599)
    vendor.answer(status, error_body(row.type or "new_error", row.code))
    with pytest.raises(ProviderError) as caught:
        await generate(adapter)
    assert type(caught.value) is row.error


@pytest.mark.parametrize(
    ("status", "kind", "code", "expected"),
    [
        (400, "invalid_request_error", None, InvalidRequest),
        (401, "authentication_error", None, ProviderUnavailable),
        (402, "billing_error", None, QuotaExhausted),
        (403, "permission_error", None, ProviderUnavailable),
        (403, "permission_error", "organization_on_hold", ProviderUnavailable),
        (404, "not_found_error", None, ProviderUnavailable),
        (413, "request_too_large", None, InputTooLarge),
        (422, "invalid_request_error", None, InvalidRequest),
        (429, "rate_limit_error", None, RateLimited),
        (429, "rate_limit_error", "ramp_limit_exceeded", RateLimited),
        (429, "rate_limit_error", "enforced_spend_limit_reached", QuotaExhausted),
        (500, "api_error", None, ProviderFault),
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
    assert len(vendor.asked) == 1, "retries belong to Temporal"


async def test_prompt_beyond_the_context_is_too_large(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.answer(400, error_body("invalid_request_error"))
    with pytest.raises(InputTooLarge):
        await generate(adapter, prompt="x" * 1_000_001)


@pytest.mark.parametrize(("status", "expected"), [(418, ProviderUnavailable), (520, ProviderFault)])
async def test_unknown_error_has_a_safe_default_and_a_log_line(
    vendor: FakeVendor, adapter: AnthropicAdapter, status: int, expected: type[ProviderError]
) -> None:
    vendor.answer(status, error_body("new_error", "never_seen", f"Your key {KEY}"))
    with capture_logs() as logs, pytest.raises(expected):
        await generate(adapter)
    assert [(line["status"], line["error_code"]) for line in logs] == [(status, "never_seen")]
    assert KEY not in str(logs)


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


async def test_key_is_masked(vendor: FakeVendor, adapter: AnthropicAdapter) -> None:
    vendor.answer(401, error_body("authentication_error", words=f"invalid x-api-key {KEY}"))
    with pytest.raises(ProviderUnavailable) as caught:
        await generate(adapter)
    assert str(caught.value) == (
        "Anthropic answered 401 authentication_error: invalid x-api-key [key]"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "events",
    [
        [],
        [started(), delta("a")],
        [started(), delta("a"), ending()[0]],
        [started(), b"event: message_delta\ndata: {broken\n\n"],
        [started(), b"event: message_delta\ndata: [1]\n\n"],
        [{"type": "message_start"}],
        [started(input_tokens=-1), *ending()],
    ],
)
async def test_answer_that_can_not_be_read_is_a_fault(
    vendor: FakeVendor, adapter: AnthropicAdapter, events: list[dict[str, Any] | bytes]
) -> None:
    vendor.stream(*events)
    with pytest.raises(ProviderFault):
        await generate(adapter)


async def test_connection_lost_in_the_middle_is_a_fault(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.stream(started(), delta("a"), ending="cut")
    with pytest.raises(ProviderFault) as caught:
        await generate(adapter)
    assert caught.value.usage == BEGUN


async def test_page_of_a_proxy_is_a_fault(vendor: FakeVendor, adapter: AnthropicAdapter) -> None:
    vendor.answer(502, b"<html>Bad gateway</html>")
    with pytest.raises(ProviderFault, match=r"^Anthropic answered 502\.$"):
        await generate(adapter)


async def test_nobody_there_is_a_fault() -> None:
    adapter = AnthropicAdapter(SecretStr(KEY), "http://127.0.0.1:9")
    with pytest.raises(ProviderFault, match="connection") as caught:
        await generate(adapter)
    assert caught.value.usage is None
    await adapter.close()


async def test_silence_is_a_fault(vendor: FakeVendor, adapter: AnthropicAdapter) -> None:
    vendor.stream(started(), ending="silent")
    with pytest.raises(ProviderFault, match="in the middle") as caught:
        await generate(adapter, seconds=0.2)
    assert caught.value.usage == BEGUN


async def test_cancellation_hangs_up_within_a_second(
    vendor: FakeVendor, adapter: AnthropicAdapter
) -> None:
    vendor.stream(started(), delta("a"), ending="silent")
    begun = asyncio.Event()
    told: list[Usage | None] = []
    call = generate(adapter, lambda _: begun.set(), report_usage=told.append)
    task = asyncio.create_task(call)
    async with asyncio.timeout(20):
        await begun.wait()
    begin = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [BEGUN]
    async with asyncio.timeout(5):
        await vendor.hung_up.wait()
    assert time.monotonic() - begin < 1
