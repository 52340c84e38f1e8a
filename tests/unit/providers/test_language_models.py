"""What holds for every vendor of language models."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio.api.failure.v1 import Failure
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.failures import to_application_error
from providers.adapters import anthropic, openai
from providers.adapters.base import ProviderCall
from providers.error_table import ErrorRow
from providers.errors import (
    InvalidRequest,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    RateLimited,
    Refused,
)
from providers.language_model import LanguageModelAdapter
from providers.prices import cost_of
from providers.types import Capability, GenerationRequest, GenerationResponse, Message, Usage
from tests.asking import ask, generate
from tests.dialects import ANTHROPIC, DIALECTS, OPENAI, Dialect
from tests.fake_vendor import FakeVendor, serve_fake_vendor

SCHEMA = {
    "type": "object",
    "properties": {"mood": {"type": "string"}},
    "required": ["mood"],
    "additionalProperties": False,
}
ROWS = [
    pytest.param(dialect, row, id=f"{dialect.name}-{row}")
    for dialect, table in ((OPENAI, openai.ERRORS), (ANTHROPIC, anthropic.ERRORS))
    for row in table
]
by_every_vendor = pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with serve_fake_vendor() as vendor:
        yield vendor


@pytest.fixture
async def adapter(
    vendor: FakeVendor, dialect: Dialect[Any]
) -> AsyncIterator[LanguageModelAdapter[Any]]:
    adapter = dialect.adapter(vendor.url)
    yield adapter
    await adapter.close()


@by_every_vendor
async def test_answer_brings_text_usage_and_exact_cost(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.told("Fine, ", "thanks."))
    answer = await generate(adapter)
    assert answer.response == GenerationResponse(text="Fine, thanks.", finish_reason="stop")
    assert answer.usage == dialect.used
    # Both, USD per million tokens: 0.10 input, 0.01 cached, 0.125 written, 0.50 output.
    assert cost_of(adapter.offers()[0], answer.usage) == Decimal("0.00011")
    assert vendor.asked[0].path == dialect.path
    assert vendor.asked[0].headers["authorization"] == f"bearer {dialect.key}"


@by_every_vendor
def test_one_model_is_offered_for_every_text_capability(
    adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    offers = [offer for offer in adapter.offers() if offer.model == dialect.model]
    assert [offer.capability for offer in offers] == [
        Capability.LLM_GENERATION,
        Capability.PII_REDACTION,
        Capability.SENTIMENT_ANALYSIS,
        Capability.SUMMARIZATION,
    ]
    assert {(offer.provider, offer.quality_tier) for offer in offers} == {
        (dialect.name, "standard")
    }
    assert all(offer.price and offer.limits.max_input_tokens for offer in offers)
    assert all("prompts 1" in (offer.caveat or "") for offer in offers[1:])


@pytest.mark.parametrize("dialect", [ANTHROPIC], ids=["anthropic"])
def test_day_of_retirement_is_part_of_the_caveat(adapter: LanguageModelAdapter[Any]) -> None:
    for offer in adapter.offers():
        assert f"may retire the model from {offer.retires} on" in (offer.caveat or "")


@by_every_vendor
async def test_progress_is_the_part_that_has_been_written(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.told("x" * 10, "x" * 10, "x" * 400))
    progress: list[float] = []
    await ask(adapter, GenerationRequest(prompt="x", max_output_tokens=10), progress.append)
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
@by_every_vendor
async def test_requests_are_those_of_the_api(
    vendor: FakeVendor,
    adapter: LanguageModelAdapter[Any],
    dialect: Dialect[Any],
    fields: dict[str, Any],
) -> None:
    vendor.stream(*dialect.told('{"mood": "good"}'))
    await generate(adapter, **fields)
    dialect.assert_valid(vendor.asked[0].body)


@by_every_vendor
async def test_description_refuses_what_is_not_there_however_deep(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.told('{"mood": "good"}'))
    messages = [Message(role="user", content="a")]
    await generate(adapter, system="Be brief.", messages=messages, response_schema=SCHEMA)
    body = vendor.asked[0].body
    with pytest.raises(Exception, match="7 is not"):
        dialect.assert_valid({**body, "model": 7})
    places = list(objects_in(body))
    assert len(places) > 4
    for place in places:
        place["stop_words"] = ["a"]
        with pytest.raises(AssertionError, match=r"not described: .*stop_words"):
            dialect.assert_valid(body)
        del place["stop_words"]
    dialect.assert_valid(body)


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Find the objects of a request; what a schema has is the caller's."""
    if isinstance(value, dict) and value != SCHEMA:
        yield value
    if value != SCHEMA:
        for inner in value.values() if isinstance(value, dict) else value:
            if isinstance(inner, dict | list):
                yield from objects_in(inner)


@by_every_vendor
def test_fake_answers_are_those_of_the_api(dialect: Dialect[Any]) -> None:
    for answer in (dialect.told("a"), dialect.cut_off("a"), dialect.refusal()):
        for event in answer:
            dialect.assert_answer(event)
        with pytest.raises(AssertionError, match=r"not described: .*stop_words"):
            dialect.assert_answer({**answer[0], "stop_words": ["a"]})


@by_every_vendor
def test_fake_failures_are_those_of_the_api(dialect: Dialect[Any]) -> None:
    dialect.assert_error(dialect.error_body("rate_limit_error"))
    with pytest.raises(AssertionError, match=r"not described: .*stop_words"):
        dialect.assert_error(dialect.error_body("rate_limit_error", stop_words=["a"]))


@by_every_vendor
async def test_schema_makes_data(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.told('{"mood":', ' "good"}'))
    answer = await generate(adapter, response_schema=SCHEMA)
    assert isinstance(answer.response, GenerationResponse)
    assert answer.response.data == {"mood": "good"}


@pytest.mark.parametrize("text", ["no json", '{"mood": 1}', "{}"])
@by_every_vendor
async def test_data_that_breaks_the_schema_is_a_fault_that_was_paid_for(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any], text: str
) -> None:
    vendor.stream(*dialect.told(text))
    with pytest.raises(ProviderFault) as caught:
        await generate(adapter, response_schema=SCHEMA)
    assert caught.value.usage == dialect.used


@pytest.mark.parametrize("schema", [{"type": 7}, {"type": "array"}])
@by_every_vendor
async def test_impossible_schema_is_refused_before_anybody_is_asked(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], schema: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        await generate(adapter, response_schema=schema)
    assert vendor.asked == []


@by_every_vendor
async def test_answer_that_was_cut_off_says_so(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.cut_off('{"mood'))
    answer = await generate(adapter, response_schema=SCHEMA)
    assert answer.response == GenerationResponse(text='{"mood', finish_reason="length")
    assert answer.usage == dialect.used


@by_every_vendor
async def test_refusal_is_refused_and_paid_for(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.refusal())
    with pytest.raises(Refused) as caught:
        await generate(adapter)
    assert caught.value.usage == dialect.used


@by_every_vendor
async def test_model_that_is_not_offered_is_refused_before_anybody_is_asked(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any]
) -> None:
    request = GenerationRequest(prompt="x")
    call = ProviderCall("call-1", Capability.LLM_GENERATION, "gpt-1", request, None, 20)
    with pytest.raises(InvalidRequest, match="gpt-1"):
        await adapter.call(call, lambda _: None)
    assert vendor.asked == []


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503, 529])
@by_every_vendor
async def test_request_that_was_turned_down_costs_nothing(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any], status: int
) -> None:
    vendor.answer(status, dialect.error_body())
    with pytest.raises(ProviderError) as caught:
        await generate(adapter)
    assert caught.value.usage is None
    assert len(vendor.asked) == 1, "retries belong to Temporal"


@pytest.mark.parametrize(("dialect", "row"), ROWS)
async def test_every_row_of_the_error_table(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any], row: ErrorRow
) -> None:
    # A status that would be something else without the row.
    status = row.status or (418 if row.error is ProviderFault else 599)
    param = {} if row.param is None else {"param": row.param}
    vendor.answer(status, dialect.error_body(row.type, row.code, **param))
    with pytest.raises(ProviderError) as caught:
        await generate(adapter)
    assert type(caught.value) is row.error


@pytest.mark.parametrize(("status", "expected"), [(418, ProviderUnavailable), (520, ProviderFault)])
@by_every_vendor
async def test_unknown_error_has_a_safe_default_and_a_log_line(
    vendor: FakeVendor,
    adapter: LanguageModelAdapter[Any],
    dialect: Dialect[Any],
    status: int,
    expected: type[ProviderError],
) -> None:
    vendor.answer(status, dialect.error_body("new", "never_seen", f"Your key {dialect.key}"))
    with capture_logs() as logs, pytest.raises(expected):
        await generate(adapter)
    assert [(line["status"], line["error_code"]) for line in logs] == [(status, "never_seen")]
    assert dialect.key not in str(logs)


@pytest.mark.parametrize("echo", ["key", "sk-proj-****************ghij"])
@by_every_vendor
async def test_key_is_masked_wherever_it_could_be_kept(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any], echo: str
) -> None:
    echo = dialect.key if echo == "key" else echo
    vendor.answer(401, dialect.error_body(words=f"Incorrect API key: {echo}. Sorry."))
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


@by_every_vendor
async def test_key_of_any_form_is_masked(vendor: FakeVendor, dialect: Dialect[Any]) -> None:
    adapter = dialect.adapter(vendor.url, "gateway/token")
    vendor.answer(401, dialect.error_body(words="gateway/token is wrong"))
    with pytest.raises(ProviderUnavailable, match=r"\[key\] is wrong"):
        await generate(adapter)
    await adapter.close()


@by_every_vendor
async def test_retry_after_is_passed_on(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.answer(429, dialect.error_body(), {"retry-after": "7"})
    with pytest.raises(RateLimited) as caught:
        await generate(adapter)
    assert caught.value.retry_after == timedelta(seconds=7)


@by_every_vendor
async def test_connection_lost_in_the_middle_is_a_fault(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.broken_off(), ending="cut")
    with pytest.raises(ProviderFault) as caught:
        await generate(adapter)
    assert caught.value.usage == dialect.begun


@by_every_vendor
async def test_page_of_a_proxy_is_a_fault(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.answer(502, b"<html>Bad gateway</html>")
    with pytest.raises(ProviderFault, match=rf"^{dialect.vendor} answered 502\.$"):
        await generate(adapter)


@by_every_vendor
async def test_nobody_there_is_a_fault_that_costs_nothing(dialect: Dialect[Any]) -> None:
    adapter = dialect.adapter("http://127.0.0.1:9")
    with pytest.raises(ProviderFault, match="connection") as caught:
        await generate(adapter)
    assert caught.value.usage is None
    await adapter.close()


@by_every_vendor
async def test_silence_is_a_fault(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.broken_off(), ending="silent")
    with pytest.raises(ProviderFault, match=dialect.silence) as caught:
        await ask(adapter, GenerationRequest(prompt="x"), seconds=0.2)
    assert caught.value.usage == dialect.begun


@by_every_vendor
async def test_cancellation_hangs_up_within_a_second(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.broken_off(), ending="silent")
    begun = asyncio.Event()
    told: list[Usage | None] = []
    request = GenerationRequest(prompt="x")
    task = asyncio.create_task(ask(adapter, request, lambda _: begun.set(), told.append))
    async with asyncio.timeout(20):
        await begun.wait()
    begin = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [dialect.begun]
    async with asyncio.timeout(5):
        await vendor.hung_up.wait()
    assert time.monotonic() - begin < 1


@by_every_vendor
async def test_connection_is_used_again(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.keeps_open = True
    vendor.stream(*dialect.told("Fine."))
    for _ in range(3):
        await generate(adapter)
    assert (vendor.connections, len(vendor.asked)) == (1, 3)
    await adapter.close()


@by_every_vendor
async def test_end_that_does_not_come_is_not_waited_for(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.told("Fine."), ending="silent")
    async with asyncio.timeout(2):
        answer = await generate(adapter)
    assert (answer.response, answer.usage) == (
        GenerationResponse(text="Fine.", finish_reason="stop"),
        dialect.used,
    )


@by_every_vendor
async def test_what_comes_after_the_end_does_not_matter(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    vendor.stream(*dialect.told("Fine."), b"event: error\ndata: {broken\n\n", ending="cut")
    answer = await generate(adapter)
    assert answer.usage == dialect.used


@by_every_vendor
async def test_broken_json_in_the_stream_is_a_fault(
    vendor: FakeVendor, adapter: LanguageModelAdapter[Any], dialect: Dialect[Any]
) -> None:
    kind = dialect.told("a")[-1]["type"]
    for data in ("{broken", "[1]"):
        vendor.stream(*dialect.broken_off(), f"event: {kind}\ndata: {data}\n\n".encode())
        with pytest.raises(ProviderFault):
            await generate(adapter)
