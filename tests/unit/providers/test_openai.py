"""What is OpenAI's own; what holds for every vendor is in `test_language_models`."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from providers.adapters.openai import OpenAIAdapter
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
from providers.types import Usage
from tests.asking import generate
from tests.dialects import OPENAI
from tests.fake_vendor import FakeVendor, serve_fake_vendor

delta, ended, error_body = OPENAI.delta, OPENAI.ended, OPENAI.error_body
SCHEMA = {
    "type": "object",
    "properties": {"mood": {"type": "string"}},
    "required": ["mood"],
    "additionalProperties": False,
}
REFUSAL = OPENAI.refusal()[0]
FAILURE = {"code": "server_error", "message": "No."}
STREAM_ERROR = {"type": "error", "param": None, "sequence_number": 3, **FAILURE}


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with serve_fake_vendor() as vendor:
        yield vendor


@pytest.fixture
async def adapter(vendor: FakeVendor) -> AsyncIterator[OpenAIAdapter]:
    adapter = OPENAI.adapter(vendor.url)
    yield adapter
    await adapter.close()


async def test_long_requests_cost_the_long_price(adapter: OpenAIAdapter) -> None:
    offer = adapter.offers()[0]
    at = Usage(input_tokens=272_000, output_tokens=1)
    above = Usage(input_tokens=272_001, output_tokens=1)
    assert cost_of(offer, at) == Decimal("0.0272005")
    assert cost_of(offer, above) == Decimal("0.05440095")


@pytest.mark.parametrize("event", [ended("failed", error=FAILURE), STREAM_ERROR])
def test_fake_failures_follow_the_description_of_the_api(event: dict[str, Any]) -> None:
    OPENAI.assert_answer(event)


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


@pytest.mark.parametrize(
    ("schema", "strict"),
    [(SCHEMA, True), ({"type": "object", "properties": {"mood": {}}}, False)],
)
async def test_schema_that_is_not_strict_is_sent_as_guidance(
    vendor: FakeVendor, adapter: OpenAIAdapter, schema: dict[str, Any], *, strict: bool
) -> None:
    vendor.stream(ended(text='{"mood": "good"}'))
    await generate(adapter, response_schema=schema)
    assert vendor.asked[0].body["text"]["format"]["strict"] is strict


@pytest.mark.parametrize(
    "event",
    [
        ended("incomplete", incomplete_details={"reason": "content_filter"}),
        ended("failed", error={"code": "bio_policy", "message": "No."}),
    ],
)
async def test_filters_refuse_too(
    vendor: FakeVendor, adapter: OpenAIAdapter, event: dict[str, Any]
) -> None:
    vendor.stream(event)
    with pytest.raises(Refused):
        await generate(adapter)


@pytest.mark.parametrize(
    ("events", "usage"),
    [
        pytest.param([REFUSAL], OPENAI.used, id="refusal"),
        pytest.param([ended("failed", error=FAILURE)], OPENAI.used, id="failed"),
        pytest.param([ended("failed", error=FAILURE, usage=None)], None, id="failed at once"),
        pytest.param([ended("cancelled")], Usage(), id="unknown ending"),
        pytest.param([ended(text="no json")], OPENAI.used, id="breaks the schema"),
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


async def test_answer_without_usage_has_no_cost(vendor: FakeVendor, adapter: OpenAIAdapter) -> None:
    vendor.stream(ended(usage=None))
    answer = await generate(adapter)
    assert cost_of(adapter.offers()[0], answer.usage) is None


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
        (429, "rate_limit_error", "slow_down", RateLimited),
        (429, "insufficient_quota", "insufficient_quota", QuotaExhausted),
        (429, "insufficient_quota", "credit_balance_exhausted", QuotaExhausted),
        (429, "insufficient_quota", "project_spend_limit_exceeded", QuotaExhausted),
        (429, "insufficient_quota", "organization_spend_limit_exceeded", QuotaExhausted),
        (429, "insufficient_quota", "organization_usage_limit_exceeded", QuotaExhausted),
        (429, "insufficient_quota", "a_new_limit", QuotaExhausted),
        (429, "billing_not_active", None, QuotaExhausted),
        (429, "billing_not_active", "billing_not_active", QuotaExhausted),
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


@pytest.mark.parametrize("how", ["completed", "incomplete"])
async def test_unknown_ending_is_a_fault_and_a_log_line(
    vendor: FakeVendor, adapter: OpenAIAdapter, how: str
) -> None:
    event = ended("paused", incomplete_details={"reason": "new_reason"})
    event["type"] = f"response.{how}"
    vendor.stream(event)
    with capture_logs() as logs, pytest.raises(ProviderFault, match="new_reason"):
        await generate(adapter)
    assert [line["reason"] for line in logs] == ["new_reason"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "7", "retry-after-ms": "1500"}, 1.5), ({"retry-after": "-3"}, 0)],
)
async def test_finer_delay_is_taken(
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


@pytest.mark.parametrize(
    "events",
    [
        [delta("a")],
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
