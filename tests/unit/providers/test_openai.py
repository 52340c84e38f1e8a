import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.failures import to_application_error
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress, ReportUsage
from providers.adapters.openai import ERRORS, OpenAIAdapter
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
)
from providers.prices import cost_of
from providers.types import Capability, GenerationRequest, GenerationResponse, Message, Usage
from tests.described import assert_described
from tests.fake_vendor import FakeVendor, serve_fake_vendor

KEY = "sk-proj-0123456789abcdefghij"
MODEL = "gpt-6-luna"
SPEC = Path(__file__).resolve().parents[4] / "shared" / "specs" / "openai.json"
USED = Usage(
    input_tokens=1000, cached_input_tokens=200, cache_write_input_tokens=100, output_tokens=51
)
SCHEMA = {
    "type": "object",
    "properties": {"mood": {"type": "string"}},
    "required": ["mood"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    if not SPEC.exists():
        pytest.skip("the vendors' API descriptions are not here")
    description: dict[str, Any] = json.loads(SPEC.read_text())
    return description


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with serve_fake_vendor() as vendor:
        yield vendor


@pytest.fixture
async def adapter(vendor: FakeVendor) -> AsyncIterator[OpenAIAdapter]:
    adapter = OpenAIAdapter(SecretStr(KEY), f"{vendor.url}/v1")
    yield adapter
    await adapter.close()


def response(text: str = "", **changes: Any) -> dict[str, Any]:
    """Write a response object as OpenAI does."""
    content = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_795_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "model": MODEL,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "metadata": {},
        "temperature": 1,
        "top_p": 1,
        "output": [message(content)],
        "usage": {
            "input_tokens": 1000,
            "input_tokens_details": {"cached_tokens": 200, "cache_write_tokens": 100},
            "output_tokens": 51,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 1051,
        },
        **changes,
    }


def message(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [content],
    }


def delta(text: str) -> dict[str, Any]:
    return {
        "type": "response.output_text.delta",
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": text,
        "sequence_number": 1,
        "logprobs": [],
    }


def ended(how: str = "completed", text: str = "", **changes: Any) -> dict[str, Any]:
    return {
        "type": f"response.{how}",
        "response": response(text, status=how, **changes),
        "sequence_number": 2,
    }


def error_body(kind: str | None = None, code: str | None = None, words: str = "No.") -> Any:
    return {"error": {"message": words, "type": kind, "param": None, "code": code}}


async def generate(
    adapter: OpenAIAdapter,
    report: ReportProgress = lambda _: None,
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
        timeout=20,
        report_usage=report_usage,
    )
    return await adapter.call(call, report)


async def test_answer_brings_text_usage_and_exact_cost(
    vendor: FakeVendor, adapter: OpenAIAdapter
) -> None:
    vendor.stream(delta("Fine, "), delta("thanks."), ended(text="Fine, thanks."))
    answer = await generate(adapter)
    assert answer.response == GenerationResponse(text="Fine, thanks.", finish_reason="stop")
    assert answer.usage == USED
    # gpt-6-luna, USD per million: 0.10 input, 0.01 cached, 0.125 written, 0.50 output.
    assert cost_of(adapter.offers()[0], answer.usage) == Decimal("0.00011")
    assert vendor.asked[0].path == "/v1/responses"
    assert vendor.asked[0].headers["authorization"] == f"bearer {KEY}"


async def test_long_requests_cost_the_long_price(adapter: OpenAIAdapter) -> None:
    offer = adapter.offers()[0]
    at = Usage(input_tokens=272_000, output_tokens=1)
    above = Usage(input_tokens=272_001, output_tokens=1)
    assert cost_of(offer, at) == Decimal("0.0272005")
    assert cost_of(offer, above) == Decimal("0.05440095")


async def test_progress_is_the_part_that_has_been_written(
    vendor: FakeVendor, adapter: OpenAIAdapter
) -> None:
    vendor.stream(delta("x" * 10), delta("x" * 10), delta("x" * 400), ended())
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
async def test_requests_follow_the_description_of_the_api(
    vendor: FakeVendor, adapter: OpenAIAdapter, spec: dict[str, Any], fields: dict[str, Any]
) -> None:
    vendor.stream(ended(text='{"mood": "good"}'))
    await generate(adapter, **fields)
    reference = {"$ref": "#/components/schemas/CreateResponse"}
    assert_described(vendor.asked[0].body, reference, {"components": spec["components"]})


def test_description_refuses_an_unknown_parameter(spec: dict[str, Any]) -> None:
    reference = {"$ref": "#/components/schemas/CreateResponse"}
    root = {"components": spec["components"]}
    body = {"model": MODEL, "input": "Hello", "reasoning": {"efort": "none"}, "max_tokens": 1}
    with pytest.raises(AssertionError, match=r"reasoning/efort.*max_tokens"):
        assert_described(body, reference, root)


@pytest.mark.parametrize("event", [delta("a"), ended(), ended("incomplete")])
def test_fake_answers_follow_the_description_of_the_api(
    spec: dict[str, Any], event: dict[str, Any]
) -> None:
    names = {
        "response.output_text.delta": "ResponseTextDeltaEvent",
        "response.completed": "ResponseCompletedEvent",
        "response.incomplete": "ResponseIncompleteEvent",
    }
    reference = {"$ref": f"#/components/schemas/{names[event['type']]}"}
    assert_described(event, reference, {"components": spec["components"]})


async def test_nothing_is_stored_and_the_standard_tier_is_asked_for(
    vendor: FakeVendor, adapter: OpenAIAdapter
) -> None:
    vendor.stream(ended())
    await generate(adapter)
    body = vendor.asked[0].body
    assert (body["store"], body["service_tier"], body["reasoning"]) == (
        False,
        "default",
        {"effort": "none"},
    )


async def test_schema_makes_data(vendor: FakeVendor, adapter: OpenAIAdapter) -> None:
    vendor.stream(ended(text='{"mood": "good"}'))
    answer = await generate(adapter, response_schema=SCHEMA)
    assert isinstance(answer.response, GenerationResponse)
    assert answer.response.data == {"mood": "good"}
    assert vendor.asked[0].body["text"]["format"]["strict"] is True


async def test_schema_that_is_not_strict_is_sent_as_guidance(
    vendor: FakeVendor, adapter: OpenAIAdapter
) -> None:
    vendor.stream(ended(text="{}"))
    await generate(adapter, response_schema={"type": "object", "properties": {"a": {}}})
    assert vendor.asked[0].body["text"]["format"]["strict"] is False


@pytest.mark.parametrize("text", ["no json", '{"mood": 1}', "{}"])
async def test_data_that_breaks_the_schema_is_a_fault(
    vendor: FakeVendor, adapter: OpenAIAdapter, text: str
) -> None:
    vendor.stream(ended(text=text))
    with pytest.raises(ProviderFault):
        await generate(adapter, response_schema=SCHEMA)


@pytest.mark.parametrize("schema", [{"type": 7}, {"type": "array"}])
async def test_impossible_schema_is_refused_before_anybody_is_asked(
    vendor: FakeVendor, adapter: OpenAIAdapter, schema: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        await generate(adapter, response_schema=schema)
    assert vendor.asked == []


async def test_answer_that_was_cut_off_says_so(vendor: FakeVendor, adapter: OpenAIAdapter) -> None:
    reason = {"reason": "max_output_tokens"}
    vendor.stream(ended("incomplete", '{"mood', incomplete_details=reason))
    answer = await generate(adapter, response_schema=SCHEMA)
    assert answer.response == GenerationResponse(text='{"mood', finish_reason="length")
    assert answer.usage.output_tokens == 51


REFUSAL = message({"type": "refusal", "refusal": "I can't."})


@pytest.mark.parametrize(
    "event",
    [
        ended(output=[REFUSAL]),
        ended("incomplete", incomplete_details={"reason": "content_filter"}),
        ended("failed", error={"code": "bio_policy", "message": "No."}),
    ],
)
async def test_refusal_is_refused(
    vendor: FakeVendor, adapter: OpenAIAdapter, event: dict[str, Any]
) -> None:
    vendor.stream(event)
    with pytest.raises(Refused):
        await generate(adapter)


FAILURE = {"code": "server_error", "message": "No."}
STREAM_ERROR = {"type": "error", "sequence_number": 3, **FAILURE}


@pytest.mark.parametrize(
    ("events", "usage"),
    [
        pytest.param([ended(output=[REFUSAL])], USED, id="refusal"),
        pytest.param([ended("failed", error=FAILURE)], USED, id="failed"),
        pytest.param([ended("failed", error=FAILURE, usage=None)], None, id="failed at once"),
        pytest.param([ended("cancelled")], Usage(), id="unknown ending"),
        pytest.param([ended(text="no json")], USED, id="breaks the schema"),
        pytest.param([delta("a")], Usage(), id="broke off"),
        pytest.param([delta("a"), STREAM_ERROR], Usage(), id="error after the first word"),
        pytest.param([STREAM_ERROR], None, id="error before the first word"),
    ],
)
async def test_failure_tells_what_may_be_billed(
    vendor: FakeVendor, adapter: OpenAIAdapter, events: list[dict[str, Any]], usage: Usage | None
) -> None:
    vendor.stream(*events)
    with pytest.raises(ProviderError) as caught:
        await generate(adapter, response_schema=SCHEMA)
    assert caught.value.usage == usage


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
async def test_request_that_was_turned_down_costs_nothing(
    vendor: FakeVendor, adapter: OpenAIAdapter, status: int
) -> None:
    vendor.answer(status, error_body())
    with pytest.raises(ProviderError) as caught:
        await generate(adapter)
    assert caught.value.usage is None


async def test_answer_without_usage_has_no_cost(vendor: FakeVendor, adapter: OpenAIAdapter) -> None:
    vendor.stream(ended(usage=None))
    answer = await generate(adapter)
    assert cost_of(adapter.offers()[0], answer.usage) is None


@pytest.mark.parametrize("row", ERRORS, ids=str)
async def test_every_row_of_the_error_table(
    vendor: FakeVendor, adapter: OpenAIAdapter, row: ErrorRow
) -> None:
    # A status that would be something else without the row.
    status = row.status or (418 if row.error is ProviderFault else 599)
    vendor.answer(status, error_body(row.type, row.code))
    with pytest.raises(ProviderError) as caught:
        await generate(adapter)
    assert type(caught.value) is row.error


@pytest.mark.parametrize(
    ("status", "kind", "code", "expected"),
    [
        (400, "invalid_request_error", None, InvalidRequest),
        (400, "invalid_request_error", "context_length_exceeded", InputTooLarge),
        (400, "image_generation_user_error", "content_policy_violation", Refused),
        (401, "invalid_request_error", "invalid_api_key", ProviderUnavailable),
        (403, None, "unsupported_country_region_territory", ProviderUnavailable),
        (404, "invalid_request_error", "model_not_found", ProviderUnavailable),
        (429, "requests", "rate_limit_exceeded", RateLimited),
        (429, "insufficient_quota", "insufficient_quota", QuotaExhausted),
        (429, "insufficient_quota", "project_spend_limit_exceeded", QuotaExhausted),
        (429, "rate_limit_error", "slow_down", RateLimited),
        (500, "server_error", None, ProviderFault),
        (503, "service_unavailable_error", "server_is_overloaded", ProviderFault),
    ],
)
async def test_documented_errors(
    vendor: FakeVendor,
    adapter: OpenAIAdapter,
    status: int,
    kind: str | None,
    code: str | None,
    expected: type[ProviderError],
) -> None:
    vendor.answer(status, error_body(kind, code))
    with pytest.raises(expected):
        await generate(adapter)
    assert len(vendor.asked) == 1, "retries belong to Temporal"


@pytest.mark.parametrize(("status", "expected"), [(418, ProviderUnavailable), (520, ProviderFault)])
async def test_unknown_error_has_a_safe_default_and_a_log_line(
    vendor: FakeVendor, adapter: OpenAIAdapter, status: int, expected: type[ProviderError]
) -> None:
    vendor.answer(status, error_body("new_error", "never_seen", f"Your key {KEY}"))
    with capture_logs() as logs, pytest.raises(expected):
        await generate(adapter)
    assert [(line["status"], line["error_code"]) for line in logs] == [(status, "never_seen")]
    assert KEY not in str(logs)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("rate_limit_exceeded", RateLimited), ("server_error", ProviderFault), (None, ProviderFault)],
)
async def test_error_in_the_stream(
    vendor: FakeVendor, adapter: OpenAIAdapter, code: str | None, expected: type[ProviderError]
) -> None:
    vendor.stream(
        delta("a"),
        {"type": "error", "code": code, "message": "No.", "param": None, "sequence_number": 3},
    )
    with pytest.raises(expected):
        await generate(adapter)


async def test_failed_response(vendor: FakeVendor, adapter: OpenAIAdapter) -> None:
    vendor.stream(ended("failed", error={"code": "rate_limit_exceeded", "message": "Slowly."}))
    with pytest.raises(RateLimited, match="rate_limit_exceeded: Slowly"):
        await generate(adapter)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "-3"}, 0),
    ],
)
async def test_retry_after_is_passed_on(
    vendor: FakeVendor, adapter: OpenAIAdapter, headers: dict[str, str], seconds: float
) -> None:
    vendor.answer(429, error_body("requests", "rate_limit_exceeded"), headers)
    with pytest.raises(RateLimited) as caught:
        await generate(adapter)
    assert caught.value.retry_after == timedelta(seconds=seconds)


async def test_retry_after_may_be_a_date(vendor: FakeVendor, adapter: OpenAIAdapter) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    vendor.answer(503, error_body(), {"retry-after": date})
    with pytest.raises(ProviderFault) as caught:
        await generate(adapter)
    assert caught.value.retry_after is not None
    assert 50 < caught.value.retry_after.total_seconds() <= 60


async def test_unreadable_retry_after_is_no_delay(
    vendor: FakeVendor, adapter: OpenAIAdapter
) -> None:
    vendor.answer(429, error_body("requests"), {"retry-after": "soon"})
    with pytest.raises(RateLimited) as caught:
        await generate(adapter)
    assert caught.value.retry_after is None


@pytest.mark.parametrize("echo", [KEY, "sk-proj-****************ghij"])
async def test_key_is_masked_wherever_it_could_be_kept(
    vendor: FakeVendor, adapter: OpenAIAdapter, echo: str
) -> None:
    vendor.answer(401, error_body(None, "invalid_api_key", f"Incorrect API key: {echo}. Sorry."))
    with pytest.raises(ProviderUnavailable) as caught:
        await generate(adapter)
    assert str(caught.value).endswith("Incorrect API key: [key]. Sorry.")
    history = Failure()
    converter = pydantic_data_converter
    converter.failure_converter.to_failure(
        to_application_error(caught.value, 1), converter.payload_converter, history
    )
    assert echo not in str(history)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


async def test_key_of_any_form_is_masked(vendor: FakeVendor) -> None:
    adapter = OpenAIAdapter(SecretStr("gateway/token"), f"{vendor.url}/v1")
    vendor.answer(401, error_body(words="gateway/token is wrong"))
    with pytest.raises(ProviderUnavailable, match=r"401: \[key\] is wrong"):
        await generate(adapter)
    await adapter.close()


@pytest.mark.parametrize(
    "events",
    [
        [delta("a")],
        [delta("a"), b"event: response.completed\ndata: {broken\n\n"],
        [b"event: response.completed\ndata: [1]\n\n"],
        [b'event: response.completed\ndata: {"type": "response.completed"}\n\n'],
        [ended(usage={"input_tokens": "many"})],
        [ended("cancelled")],
        [],
    ],
)
async def test_answer_that_can_not_be_read_is_a_fault(
    vendor: FakeVendor, adapter: OpenAIAdapter, events: list[dict[str, Any] | bytes]
) -> None:
    vendor.stream(*events)
    with pytest.raises(ProviderFault):
        await generate(adapter)


async def test_connection_lost_in_the_middle_is_a_fault(
    vendor: FakeVendor, adapter: OpenAIAdapter
) -> None:
    vendor.stream(delta("a"), ending="cut")
    with pytest.raises(ProviderFault) as caught:
        await generate(adapter)
    assert caught.value.usage == Usage()


async def test_page_of_a_proxy_is_a_fault(vendor: FakeVendor, adapter: OpenAIAdapter) -> None:
    vendor.answer(502, b"<html>Bad gateway</html>")
    with pytest.raises(ProviderFault, match=r"^OpenAI answered 502\.$"):
        await generate(adapter)


async def test_nobody_there_is_a_fault() -> None:
    adapter = OpenAIAdapter(SecretStr(KEY), "http://127.0.0.1:9/v1")
    with pytest.raises(ProviderFault, match="connection") as caught:
        await generate(adapter)
    assert caught.value.usage is None
    await adapter.close()


async def test_silence_is_a_fault(vendor: FakeVendor, adapter: OpenAIAdapter) -> None:
    vendor.stream(delta("a"), ending="silent")
    call = ProviderCall(
        call_id="call-1",
        capability=Capability.LLM_GENERATION,
        model=MODEL,
        request=GenerationRequest(prompt="Hello"),
        audio=None,
        timeout=0.2,
    )
    with pytest.raises(ProviderFault, match="in time") as caught:
        await adapter.call(call, lambda _: None)
    assert caught.value.usage == Usage()


async def test_cancellation_hangs_up_within_a_second(
    vendor: FakeVendor, adapter: OpenAIAdapter
) -> None:
    vendor.stream(delta("a"), ending="silent")
    begun = asyncio.Event()
    told: list[Usage | None] = []
    task = asyncio.create_task(generate(adapter, lambda _: begun.set(), told.append))
    async with asyncio.timeout(20):
        await begun.wait()
    begin = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [Usage()]
    async with asyncio.timeout(5):
        await vendor.hung_up.wait()
    assert time.monotonic() - begin < 1
