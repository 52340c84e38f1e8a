import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.failures import to_application_error
from providers.adapters.accent import ERRORS, MODEL, AccentAdapter
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportUsage
from providers.error_table import ErrorRow
from providers.errors import (
    InputTooLarge,
    InvalidRequest,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)
from providers.prices import cost_of
from providers.types import (
    Capability,
    Entity,
    RedactionRequest,
    RedactionResponse,
    Segment,
    SummarizationRequest,
    Usage,
)
from tests.accent_answers import answer_to, body, entity
from tests.fake_vendor import FakeVendor, serve_fake_vendor
from tests.runs import eventually

KEY = "accent-0123456789abcdef"


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with serve_fake_vendor() as vendor:
        yield vendor


@pytest.fixture
async def adapter(vendor: FakeVendor) -> AsyncIterator[AccentAdapter]:
    adapter = AccentAdapter(SecretStr(KEY), vendor.url)
    yield adapter
    await adapter.close()


def problem(title: str = "No.", **fields: Any) -> dict[str, Any]:
    return {"type": "about:blank", "title": title, **fields}


async def redact(
    adapter: AccentAdapter, report_usage: ReportUsage = lambda _: None, **request: Any
) -> ProviderAnswer:
    call = ProviderCall(
        call_id="exec-1/redact/0",
        capability=Capability.PII_REDACTION,
        model=MODEL,
        request=RedactionRequest.model_validate(request or {"text": "Hello Jane"}),
        audio=None,
        timeout=20,
        report_usage=report_usage,
    )
    return await adapter.call(call, lambda _: None)


def response_of(answer: ProviderAnswer) -> RedactionResponse:
    assert isinstance(answer.response, RedactionResponse)
    return answer.response


def segments_of(*texts: str) -> list[Segment]:
    return [
        Segment(start=number, end=number + 1, text=text, speaker=f"speaker_{number % 2}")
        for number, text in enumerate(texts)
    ]


async def test_text_is_redacted(vendor: FakeVendor, adapter: AccentAdapter) -> None:
    vendor.answer(200, answer_to("Hello Jane", ("NAME", "Jane", "[NAME]")))
    answer = await redact(adapter, text="Hello Jane", entities=["NAME"], mode="mask")
    assert answer.response == RedactionResponse(
        text="Hello [NAME]", entities=(Entity(type="NAME", start=6, end=10, score=0.9),)
    )
    assert answer.usage == Usage(characters=10)
    asked = vendor.asked[0]
    assert asked.path == "/v1/redact"
    assert asked.body == {"text": "Hello Jane", "entities": ["NAME"], "mode": "mask"}
    assert asked.headers["authorization"] == f"bearer {KEY}"
    assert asked.headers["idempotency-key"] == "exec-1/redact/0"


async def test_entities_that_are_not_named_are_all_of_them(
    vendor: FakeVendor, adapter: AccentAdapter
) -> None:
    vendor.answer(200, answer_to("Hello"))
    await redact(adapter, text="Hello", mode="hash")
    assert vendor.asked[0].body == {"text": "Hello", "mode": "hash"}


async def test_segments_are_asked_for_as_one_text_and_win_over_it(
    vendor: FakeVendor, adapter: AccentAdapter
) -> None:
    vendor.answer(200, answer_to("Your name?\nJane", ("NAME", "Jane", "[NAME]")))
    segments = segments_of("Your name?", "Jane")
    answer = await redact(adapter, text="something else", segments=segments)
    assert vendor.asked[0].body["text"] == "Your name?\nJane"
    response = response_of(answer)
    assert response.text == "Your name?\n[NAME]"
    assert response.segments == (
        segments[0],
        segments[1].model_copy(update={"text": "[NAME]"}),
    )
    assert response.entities == (Entity(type="NAME", start=0, end=4, score=0.9, segment=1),)


@pytest.mark.parametrize("request_fields", [{"text": ""}, {"segments": []}])
async def test_nothing_to_redact_asks_nobody(
    vendor: FakeVendor, adapter: AccentAdapter, request_fields: dict[str, Any]
) -> None:
    answer = await redact(adapter, **request_fields)
    assert response_of(answer).text == ""
    assert answer.usage == Usage(characters=0)
    assert vendor.asked == []


@pytest.mark.parametrize(
    "answer",
    [
        body("A\nb\nc", []),
        body("a\nb", [entity(0, 1)]),
        body("[N] b\nc", [entity(0, 1)]),
        body("x[N]\nb", [entity(2, 3)]),
        body("[N]", [entity(0, 1)]),
    ],
)
async def test_answer_that_does_not_fit_its_entities_is_a_fault(
    vendor: FakeVendor, adapter: AccentAdapter, answer: dict[str, Any]
) -> None:
    vendor.answer(200, answer)
    with pytest.raises(ProviderFault, match="fit") as caught:
        await redact(adapter, segments=segments_of("a", "b", "c"))
    assert caught.value.usage == Usage(characters=1)


@pytest.mark.parametrize(("start", "end"), [(0, 11), (4, 4), (5, 3)])
async def test_place_outside_of_the_text_is_a_fault(
    vendor: FakeVendor, adapter: AccentAdapter, start: int, end: int
) -> None:
    vendor.answer(200, body("[NAME]", [entity(start, end)]))
    with pytest.raises(ProviderFault, match="outside"):
        await redact(adapter, text="Hello Jane")


@pytest.mark.parametrize(
    "answer",
    [
        b'{"text": "a"',
        {},
        {**body("a", []), "usage": {}},
        {**body("a", []), "entities": [{"type": "NAME", "start": 0, "end": 1}]},
        {**body("a", []), "entities": [{**entity(0, 1), "start": "0"}]},
        {**body("a", []), "entities": [{**entity(0, 1), "score": 2}]},
        {**body("a", []), "request_id": None},
    ],
)
async def test_answer_that_can_not_be_read_is_a_fault_that_may_be_billed(
    vendor: FakeVendor, adapter: AccentAdapter, answer: Any
) -> None:
    vendor.answer(200, answer)
    with pytest.raises(ProviderFault, match="can't be read") as caught:
        await redact(adapter)
    assert caught.value.usage == Usage()


async def test_truncated_answer_is_a_fault(vendor: FakeVendor, adapter: AccentAdapter) -> None:
    vendor.stream(b'{"text":', ending="cut")
    with pytest.raises(ProviderFault) as caught:
        await redact(adapter)
    assert caught.value.usage == Usage()


@pytest.mark.parametrize("row", ERRORS, ids=str)
async def test_every_row_of_the_error_table(
    vendor: FakeVendor, adapter: AccentAdapter, row: ErrorRow
) -> None:
    assert row.status is not None
    vendor.answer(row.status, problem(status=row.status))
    with pytest.raises(ProviderError) as caught:
        await redact(adapter)
    assert type(caught.value) is row.error


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, InvalidRequest),
        (401, ProviderUnavailable),
        (402, QuotaExhausted),
        (413, InputTooLarge),
        (422, InvalidRequest),
        (429, RateLimited),
        (503, ProviderFault),
    ],
)
async def test_problem_is_told_by_its_title_and_costs_nothing(
    vendor: FakeVendor, adapter: AccentAdapter, status: int, expected: type[ProviderError]
) -> None:
    vendor.answer(status, problem("Not now", detail="The text 'Jane Doe' …"))
    with pytest.raises(expected) as caught:
        await redact(adapter)
    assert str(caught.value) == f"Accent answered {status}: Not now", "the detail may quote people"
    assert caught.value.usage is None
    assert len(vendor.asked) == 1, "retries belong to Temporal"


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_passed_on(
    vendor: FakeVendor, adapter: AccentAdapter, status: int
) -> None:
    vendor.answer(status, problem(), {"Retry-After": "7"})
    with pytest.raises(ProviderError) as caught:
        await redact(adapter)
    assert caught.value.retry_after == timedelta(seconds=7)


async def test_key_is_masked_wherever_it_could_be_kept(
    vendor: FakeVendor, adapter: AccentAdapter
) -> None:
    vendor.answer(401, problem(f"Unknown key {KEY}"))
    with pytest.raises(ProviderUnavailable, match=r"Unknown key \[key\]") as caught:
        await redact(adapter)
    history = Failure()
    converter = pydantic_data_converter
    converter.failure_converter.to_failure(
        to_application_error(caught.value, 1), converter.payload_converter, history
    )
    assert KEY not in str(history)


async def test_every_attempt_has_the_same_idempotency_key(
    vendor: FakeVendor, adapter: AccentAdapter
) -> None:
    vendor.answer(503, problem())
    for _ in range(2):
        with pytest.raises(ProviderFault):
            await redact(adapter)
    assert {asked.headers["idempotency-key"] for asked in vendor.asked} == {"exec-1/redact/0"}


async def test_nobody_there_is_a_fault_that_cost_nothing() -> None:
    adapter = AccentAdapter(SecretStr(KEY), "http://127.0.0.1:9")
    with pytest.raises(ProviderFault, match="connection") as caught:
        await redact(adapter)
    assert caught.value.usage is None
    await adapter.close()


async def test_cancellation_hangs_up_within_a_second(
    vendor: FakeVendor, adapter: AccentAdapter
) -> None:
    vendor.stream(b" ", ending="silent")
    told: list[Usage | None] = []
    task = asyncio.create_task(redact(adapter, told.append))

    async def is_asked() -> bool:
        return bool(vendor.asked)

    await eventually(is_asked, "the request")
    begin = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [Usage()]
    async with asyncio.timeout(5):
        await vendor.hung_up.wait()
    assert time.monotonic() - begin < 1


async def test_other_requests_are_refused(adapter: AccentAdapter) -> None:
    call = ProviderCall(
        call_id="call-1",
        capability=Capability.SUMMARIZATION,
        model=MODEL,
        request=SummarizationRequest(text="Hello"),
        audio=None,
        timeout=1,
    )
    with pytest.raises(InvalidRequest):
        await adapter.call(call, lambda _: None)


@pytest.mark.parametrize(
    ("key", "url", "reason"),
    [
        (None, None, "Set ACCENT_API_KEY and ACCENT_BASE_URL to enable it."),
        (None, "https://accent.example", "Set ACCENT_API_KEY to enable it."),
        (SecretStr(KEY), None, "Set ACCENT_BASE_URL to enable it."),
        (SecretStr(KEY), "https://accent.example", None),
    ],
)
def test_both_settings_enable_it(
    key: SecretStr | None, url: str | None, reason: str | None
) -> None:
    (offer,) = AccentAdapter(key, url).offers()
    assert (offer.available, offer.reason) == (reason is None, reason)


def test_price_is_unknown_with_the_reason() -> None:
    (offer,) = AccentAdapter(None).offers()
    assert offer.price is None
    assert "internal service" in offer.price_source
    assert cost_of(offer, Usage(characters=10)) is None
