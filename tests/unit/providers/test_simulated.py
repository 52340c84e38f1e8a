"""Simulated providers: what the script says happens, and the books are right about it."""

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
import sys
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.adapters.simulated import SimulatedAdapter
from providers.builtin import build_adapters
from providers.contract import Example, check_contract
from providers.errors import (
    InputTooLarge,
    InvalidMedia,
    InvalidRequest,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
    UnsupportedInput,
)
from providers.prices import cost_of, upper_cost_of
from providers.registry import CapabilityRegistry
from providers.simulated_books import FILE_NAME, Ending, SimulatedBooks
from providers.simulated_script import Act, Question, Rule, SimulatedProvider
from providers.types import (
    AudioFile,
    Capability,
    CostUnit,
    GenerationRequest,
    GenerationResponse,
    RedactionRequest,
    RedactionResponse,
    Segment,
    SentimentRequest,
    SentimentResponse,
    SummarizationRequest,
    SummarizationResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    Usage,
    Value,
)
from settings import ROOT, Settings, SettingsError

TEXT = "It is long. It has 40 characters in all."
PRICES: dict[CostUnit, dict[str, Any]] = {
    CostUnit.CHARACTER: {"price": "0.001"},
    CostUnit.MINUTE: {"price": "0.0043"},
    CostUnit.TOKEN: {"input_usd_per_mtok": "1000", "output_usd_per_mtok": "3000"},
    CostUnit.FREE: {},
}
WHOLE = Usage(characters=40)
CALL = (
    Segment(start=0, end=1, speaker="a", text="your number?"),
    Segment(start=1, end=2, speaker="b", text="555 010 4477, or 12. Thank you"),
)
REQUESTS: dict[Capability, Value] = {
    Capability.TRANSCRIPTION: TranscriptionRequest(audio_url="artifact://1"),
    Capability.TRANSCRIPTION_DIARIZATION: TranscriptionRequest(audio_url="artifact://1"),
    Capability.LLM_GENERATION: GenerationRequest(prompt="How are you?"),
    Capability.PII_REDACTION: RedactionRequest(segments=CALL),
    Capability.SENTIMENT_ANALYSIS: SentimentRequest(segments=CALL),
    Capability.SUMMARIZATION: SummarizationRequest(text=TEXT),
}
SUMMARY = Capability.SUMMARIZATION
ONCE = {"attempts": [1], "do": "rate_limited", "headers": {"Retry-After": "1"}}

Make = Callable[..., SimulatedAdapter]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[SimulatedBooks]:
    books = SimulatedBooks(tmp_path / FILE_NAME)
    yield books
    books.close()


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Make adapters, each with a connection of its own to the same books."""
    made = []

    def make(*script: Any, unit: CostUnit = CostUnit.CHARACTER, **fields: Any) -> SimulatedAdapter:
        fields = {"name": "sim", "cost_unit": unit, **PRICES[unit], "script": script, **fields}
        books = SimulatedBooks(tmp_path / FILE_NAME)
        made.append(SimulatedAdapter(SimulatedProvider.model_validate(fields), books))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def recording(folder: Path, seconds: int = 9) -> AudioFile:
    path = folder / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 8000 * seconds))
    return AudioFile(path=path, media_type="audio/wav", size=path.stat().st_size)


def to_call(request: Value | str = TEXT, call_id: str = "run/1/step/0", **fields: Any) -> Any:
    if isinstance(request, str):
        request = SummarizationRequest(text=request)
    capability = next(one for one in Capability if type(REQUESTS[one]) is type(request))
    given = {"capability": capability, "model": "simulated", "audio": None, "timeout": 20}
    return ProviderCall(call_id=call_id, request=request, **given | fields)


async def ask(
    adapter: SimulatedAdapter, call: Any = None, report: ReportProgress = lambda _: None
) -> ProviderAnswer:
    return await adapter.call(call or to_call(), report)


async def failure(adapter: SimulatedAdapter, call: Any = None) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(adapter, call)
    return caught.value


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - no event tells what stands in a file
            await asyncio.sleep(0.01)


# The contract.


@pytest.mark.parametrize("unit", CostUnit)
async def test_it_passes_the_contract_test_in_every_unit(
    make: Make, tmp_path: Path, unit: CostUnit
) -> None:
    audio = recording(tmp_path)
    good = [
        Example(one, request, audio if isinstance(request, TranscriptionRequest) else None)
        for one, request in REQUESTS.items()
    ]
    no_object = GenerationRequest(prompt="a", response_schema={"type": "string"})
    bad = Example(Capability.LLM_GENERATION, no_object)
    await check_contract(make({"chunks": 3, "seconds": 0.03}, unit=unit), good, [bad])


async def test_offers_say_that_they_are_simulated(make: Make) -> None:
    offers = make().offers()
    assert {offer.capability for offer in offers} == set(Capability)
    assert all(offer.caveat and "imulated" in offer.caveat for offer in offers)


# Requests that are turned down.


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (Act.RATE_LIMITED, RateLimited),
        (Act.QUOTA_EXHAUSTED, QuotaExhausted),
        (Act.BAD_KEY, ProviderUnavailable),
        (Act.UNSUPPORTED_INPUT, UnsupportedInput),
        (Act.INPUT_TOO_LARGE, InputTooLarge),
        (Act.INVALID_REQUEST, InvalidRequest),
        (Act.INVALID_MEDIA, InvalidMedia),
        (Act.SERVER_ERROR, ProviderFault),
        (Act.UNREACHABLE, ProviderFault),
    ],
)
async def test_what_is_turned_down_sells_nothing_and_is_noted(
    make: Make, books: SimulatedBooks, act: Act, error: type[ProviderError]
) -> None:
    caught = await failure(make({"do": act}))
    assert type(caught) is error
    assert caught.usage is None
    (noted,) = books.requests("run/1/step/0")
    assert (noted.act, noted.sale, noted.usage, noted.cost_usd) == (act, None, None, Decimal(0))
    assert not books.sales()
    assert books.total() == 0


async def test_a_wish_for_delay_is_read_as_a_vendors_is(make: Make) -> None:
    assert (await failure(make(ONCE))).retry_after == timedelta(seconds=1)


async def test_an_impossible_request_is_turned_down_whatever_the_script(
    make: Make, books: SimulatedBooks
) -> None:
    assert type(await failure(make(), to_call(model="other"))) is InvalidRequest
    assert [one.act for one in books.requests()] == ["invalid_request"]


# Bounds.


@pytest.mark.parametrize("unit", [unit for unit in CostUnit if unit is not CostUnit.FREE])
async def test_bound_is_what_the_answer_sells(make: Make, tmp_path: Path, unit: CostUnit) -> None:
    adapter = make({"do": "cut"}, {"do": "answer"}, unit=unit)
    for capability, request in REQUESTS.items():
        audio = recording(tmp_path) if isinstance(request, TranscriptionRequest) else None
        call = to_call(request, capability=capability, audio=audio)
        offer = next(one for one in adapter.offers() if one.capability is capability)
        bounds = await adapter.upper_bounds(call)
        answer = await ask(make(unit=unit), call)
        assert upper_cost_of(offer, bounds) == cost_of(offer, answer.usage)


async def most_of(adapter: SimulatedAdapter, call: Any = None) -> Decimal | None:
    offer = next(one for one in adapter.offers() if one.capability is SUMMARY)
    return upper_cost_of(offer, await adapter.upper_bounds(call or to_call()))


@pytest.mark.parametrize(
    ("script", "most"),
    [
        ([], "0.04"),
        ([{"usage": {"characters": 100}}], "0.1"),
        ([{"usage": {"characters": 3}}], "0.003"),
        # One of several attempts, or of several calls, may get another answer.
        ([{"attempts": [7], "usage": {"characters": 100}}], "0.1"),
        ([{"share": 0.01, "usage": {"characters": 100}}, {"usage": {"characters": 1}}], "0.1"),
        ([{"attempts": [1], "do": "rate_limited"}], "0.04"),
        # Some rules are those of other calls, and some are never reached.
        ([{"step": "other", "usage": {"characters": 100}}], "0.04"),
        ([{"text": "long", "usage": {"characters": 9}}, {"usage": {"characters": 100}}], "0.009"),
        ([{"do": "server_error"}], "0"),
        ([{"do": "hang", "chunks": 4, "after": 2}], "0.04"),
    ],
)
async def test_bound_is_the_most_that_the_script_sells(
    make: Make, script: list[dict[str, Any]], most: str
) -> None:
    assert await most_of(make(*script)) == Decimal(most)


async def test_bound_of_what_is_turned_down_is_nothing(make: Make, books: SimulatedBooks) -> None:
    assert await most_of(make(), to_call(model="other")) == 0
    assert books.requests() == [], "to tell a bound is no request"


# Sales.


async def test_answer_is_sold_at_the_exact_price(make: Make, books: SimulatedBooks) -> None:
    assert (await ask(make())).usage == WHOLE
    (sale,) = books.sales("run/1/step/0")
    assert (sale.provider, sale.model, sale.capability) == ("sim", "simulated", SUMMARY)
    assert (sale.attempt, sale.sale, sale.usage) == (1, 1, WHOLE)
    assert sale.prices == {"price": Decimal("0.001")}
    assert (sale.cost_usd, books.sold("run/1/step/0")) == (Decimal("0.04"), Decimal("0.04"))
    assert sale.ended is Ending.ANSWERED
    assert books.sold("another") == 0


async def test_accepting_a_call_again_sells_it_again(make: Make, books: SimulatedBooks) -> None:
    adapter = make(ONCE)
    await failure(adapter)
    first, second = await ask(adapter), await ask(adapter)
    assert first == second
    assert [(one.attempt, one.sale) for one in books.requests()] == [(1, None), (2, 1), (3, 2)]
    assert books.sold("run/1/step/0") == books.total() == Decimal("0.08")


@pytest.mark.parametrize(("act", "error"), [("refused", Refused), ("bad_json", ProviderFault)])
async def test_an_answer_of_no_use_is_sold_whole(
    make: Make, books: SimulatedBooks, act: str, error: type[ProviderError]
) -> None:
    caught = await failure(make({"do": act}))
    assert (type(caught), caught.usage) == (error, WHOLE)
    assert [(one.ended, one.usage) for one in books.sales()] == [(Ending.ANSWERED, WHOLE)]


async def test_a_cut_answer_is_sold_as_far_as_it_came(make: Make, books: SimulatedBooks) -> None:
    caught = await failure(make({"do": "cut", "chunks": 8, "after": 3}))
    assert (type(caught), caught.usage) == (ProviderFault, Usage(characters=15))
    (sale,) = books.sales()
    assert (sale.ended, sale.usage) == (Ending.ABORTED, Usage(characters=15))
    assert books.total() == Decimal("0.015")


async def test_a_cut_answer_has_come_half_unless_said_otherwise(make: Make) -> None:
    assert (await failure(make({"do": "cut"}))).usage == Usage(characters=20)


async def test_the_input_of_a_cut_answer_is_sold_whole(make: Make) -> None:
    request = GenerationRequest(prompt="x" * 400)
    whole = (await ask(make(unit=CostUnit.TOKEN), to_call(request))).usage
    assert whole.output_tokens is not None
    cut = make({"do": "cut", "chunks": 4, "after": 1}, unit=CostUnit.TOKEN)
    usage = (await failure(cut, to_call(request))).usage
    assert usage == Usage(input_tokens=100, output_tokens=whole.output_tokens // 4)


async def test_usage_may_be_scripted(make: Make, books: SimulatedBooks) -> None:
    answer = await ask(make({"usage": {"characters": 7}}))
    assert (answer.usage, books.total()) == (Usage(characters=7), Decimal("0.007"))


@pytest.mark.parametrize("act", ["refused", "bad_json", "cut"])
async def test_a_provider_may_keep_what_it_sold_to_itself(
    make: Make, books: SimulatedBooks, act: str
) -> None:
    assert (await failure(make({"do": act, "tells_usage": False}))).usage == Usage()
    assert books.total() > 0


async def test_an_answer_may_come_without_its_usage(make: Make, books: SimulatedBooks) -> None:
    assert (await ask(make({"tells_usage": False}))).usage == Usage()
    assert books.total() == Decimal("0.04")


# Time.


async def test_an_answer_that_hangs_ends_with_the_callers_patience(
    make: Make, books: SimulatedBooks
) -> None:
    adapter = make({"do": "hang", "chunks": 4, "after": 1})
    async with asyncio.timeout(5):
        caught = await failure(adapter, to_call(timeout=0.2))
    assert (type(caught), caught.usage) == (ProviderFault, Usage(characters=10))
    assert [(one.ended, one.usage) for one in books.sales()] == [
        (Ending.ABORTED, Usage(characters=10))
    ]


async def test_chunks_come_one_by_one_with_progress(make: Make) -> None:
    loop, told = asyncio.get_running_loop(), list[tuple[float, float]]()
    await ask(
        make({"chunks": 4, "seconds": 0.2}),
        report=lambda fraction: told.append((fraction, loop.time())),
    )
    assert [fraction for fraction, _ in told] == [0.25, 0.5, 0.75, 1]
    assert told[-1][1] - told[0][1] > 0.1


@pytest.mark.parametrize(
    ("rule", "sold"),
    [
        ({"do": "hang", "chunks": 4, "after": 3}, Usage(characters=30)),
        ({"do": "hang"}, WHOLE),
        ({"seconds": 60}, WHOLE),
        ({"seconds": 60, "chunks": 600}, Usage(characters=0)),
        ({"do": "hang", "tells_usage": False}, Usage()),
        ({"do": "rate_limited", "seconds": 60}, None),
    ],
    ids=str,
)
async def test_a_cancelled_call_tells_what_it_bought_within_a_second(
    make: Make, books: SimulatedBooks, rule: Any, sold: Usage | None
) -> None:
    told, came = list[Usage | None](), list[float]()
    call = to_call(report_usage=told.append)
    asked = asyncio.create_task(ask(make(rule), call, came.append))
    await until(lambda: len(books.requests()) == 1 and len(came) == rule.get("after", 0))
    asked.cancel()
    await asyncio.wait({asked}, timeout=1)
    assert asked.cancelled()
    assert told == [sold]
    assert [one.ended for one in books.sales()] == [Ending.ABORTED] * (sold is not None)
    if sold and sold != Usage():
        assert books.sales()[0].usage == sold


async def test_calls_that_are_cancelled_while_they_arrive_tell_what_is_in_the_books(
    make: Make, books: SimulatedBooks
) -> None:
    adapter, told = make(), dict[str, Usage | None]()

    def start(call_id: str) -> asyncio.Task[Any]:
        def report(usage: Usage | None) -> None:
            told[call_id] = usage

        return asyncio.create_task(ask(adapter, to_call(call_id=call_id, report_usage=report)))

    asked = [start(str(number)) for number in range(200)]
    await until(lambda: len(books.sales()) > 0)
    for one in asked:
        one.cancel()
    await asyncio.wait(asked, timeout=1)
    assert all(one.done() for one in asked)
    sales = {sale.call_id: sale for sale in books.sales()}
    assert all(sale.ended is not None for sale in sales.values())
    cancelled = {call_id: sale.usage for call_id, sale in sales.items() if call_id in told}
    assert cancelled == {call_id: usage for call_id, usage in told.items() if usage is not None}
    assert any(sale.ended is Ending.ABORTED for sale in sales.values())


# Which attempts a rule takes.


def takes(rule: Any, *, call_id: str = "run/1/step/0", text: str = TEXT, attempt: int = 1) -> bool:
    question = Question(call_id, SUMMARY, text)
    return Rule.model_validate(rule).fits(question, attempt, "sim/0")


def test_a_rule_takes_all_attempts_that_have_all_it_names() -> None:
    assert takes({})
    assert takes({"attempts": [1, 3]}, attempt=3)
    assert not takes({"attempts": [1, 3]}, attempt=2)
    assert takes({"capabilities": ["summarization"], "text": "long"})
    assert not takes({"capabilities": ["summarization"], "text": "short"})
    assert not takes({"capabilities": ["pii_redaction"]})
    assert takes({"step": "step"})
    assert not takes({"step": "ste"})
    assert takes({"call": "run/1"})
    assert not takes({"call": "run/2"})


def test_a_share_of_attempts_is_the_same_share_everywhere() -> None:
    drawn = [takes({"share": 0.3}, call_id=str(number)) for number in range(1000)]
    assert 250 < sum(drawn) < 350
    assert drawn == [takes({"share": 0.3}, call_id=str(number)) for number in range(1000)]
    assert drawn != [takes({"share": 0.3}, call_id=str(n), attempt=2) for n in range(1000)]


async def test_the_first_rule_that_fits_decides(make: Make) -> None:
    adapter = make({"text": "secret", "do": "refused"}, ONCE, {"do": "quota_exhausted"})
    assert type(await failure(adapter, to_call("a secret"))) is Refused
    assert type(await failure(adapter, to_call("a", "2"))) is RateLimited
    assert type(await failure(adapter, to_call("a", "2"))) is QuotaExhausted


async def test_attempts_are_counted_for_each_provider_and_call(make: Make) -> None:
    adapter = make(ONCE)
    await failure(adapter)
    await failure(adapter, to_call(call_id="other"))
    await failure(make(ONCE, name="other"))
    await ask(adapter)


# Processes.

_PROGRAM = """
import asyncio, sys
from pathlib import Path
from providers.adapters.base import ProviderCall
from providers.adapters.simulated import SimulatedAdapter
from providers.simulated_books import SimulatedBooks
from providers.simulated_script import SimulatedProvider
from providers.types import Capability, SummarizationRequest

path, script, call_id, text = sys.argv[1:]
fields = f'{{"name": "sim", "cost_unit": "character", "price": "0.001", "script": {script}}}'

async def main():
    books = SimulatedBooks(Path(path))
    adapter = SimulatedAdapter(SimulatedProvider.model_validate_json(fields), books)
    request = SummarizationRequest(text=text)
    call = ProviderCall(call_id, Capability.SUMMARIZATION, "simulated", request, None, 60)
    print((await adapter.call(call, lambda _: None)).usage.characters, flush=True)
    await adapter.close()

asyncio.run(main())
"""


def start(path: Path, *script: Any, call_id: str = "run/1/step/0") -> subprocess.Popen[str]:
    arguments = (str(path), json.dumps(script), call_id, TEXT)
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


async def test_a_sale_survives_the_death_of_who_bought(
    tmp_path: Path, books: SimulatedBooks
) -> None:
    script = {"attempts": [1], "do": "hang", "chunks": 2, "after": 1}
    with start(tmp_path / FILE_NAME, script) as first:
        await until(lambda: len(books.sales()) == 1 or first.poll() is not None)
        assert first.poll() is None
        first.send_signal(signal.SIGKILL)
    (sale,) = books.sales("run/1/step/0")
    assert (sale.ended, sale.usage, books.total()) == (None, WHOLE, Decimal("0.04"))
    with start(tmp_path / FILE_NAME, script) as second:
        assert second.communicate(timeout=30)[0] == "40\n"
    assert [(one.sale, one.ended) for one in books.sales()] == [(1, None), (2, Ending.ANSWERED)]
    assert books.sold("run/1/step/0") == Decimal("0.08")


def test_processes_that_ask_at_once_are_counted_one_by_one(
    tmp_path: Path, books: SimulatedBooks
) -> None:
    running = [start(tmp_path / FILE_NAME) for _ in range(4)]
    assert [one.communicate(timeout=60)[0] for one in running] == ["40\n"] * 4
    assert [(one.attempt, one.sale) for one in books.sales()] == [(n, n) for n in range(1, 5)]


# The books.


async def test_nothing_in_the_books_is_changed(make: Make, tmp_path: Path) -> None:
    await ask(make())
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        for change in ("UPDATE requests SET cost_usd = '0'", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="nothing in the books"):
                connection.execute(change)


def test_who_only_reads_makes_no_file(tmp_path: Path, books: SimulatedBooks) -> None:
    assert not books.requests()
    assert books.total() == books.sold("x") == 0
    assert not list(tmp_path.iterdir())


async def test_closed_books_are_opened_again(make: Make, books: SimulatedBooks) -> None:
    await ask(make())
    assert len(books.sales()) == 1
    books.close()
    assert len(books.sales()) == 1


async def test_books_that_can_not_be_written_are_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    books = SimulatedBooks(tmp_path / "file" / FILE_NAME)
    adapter = SimulatedAdapter(SimulatedProvider(name="sim"), books)
    caught = await failure(adapter)
    await adapter.close()
    assert (type(caught), caught.usage) == (ProviderFault, None)


async def test_a_call_that_waits_for_the_books_is_cancelled_within_a_second(
    make: Make, books: SimulatedBooks, tmp_path: Path
) -> None:
    adapter, told = make(), list[Usage | None]()
    await ask(adapter)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = asyncio.create_task(ask(adapter, to_call(report_usage=told.append)))
        await asyncio.sleep(0.3)
        asked.cancel()
        await asyncio.wait({asked}, timeout=1)
        assert asked.cancelled()
    assert (told, len(books.requests())) == ([None], 1)


async def test_what_can_not_be_noted_in_time_is_told_as_unknown(
    make: Make, books: SimulatedBooks, tmp_path: Path
) -> None:
    told = list[Usage | None]()
    adapter = make({"do": "hang", "chunks": 2, "after": 1})
    asked = asyncio.create_task(ask(adapter, to_call(report_usage=told.append)))
    await until(lambda: len(books.sales()) == 1)
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked.cancel()
        await asyncio.wait({asked}, timeout=1)
        assert asked.cancelled()
    assert told == [Usage()]
    assert [(one.ended, one.usage) for one in books.sales()] == [(None, WHOLE)]


_AMOUNTS = st.integers(0, 10_000_000)
_SOME_PRICES = st.decimals(0, 1000, places=12)


@given(
    tokens=st.tuples(_AMOUNTS, _AMOUNTS),
    seconds=st.integers(0, 10_000_000).map(lambda ms: ms / 1000),
    prices=st.tuples(_SOME_PRICES, _SOME_PRICES),
)
def test_books_and_price_list_make_the_same_cost(
    tokens: tuple[int, int], seconds: float, prices: tuple[Decimal, Decimal]
) -> None:
    usage = Usage(
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        audio_seconds=seconds,
        characters=tokens[0],
    )
    for unit, names in PRICES.items():
        asked = dict(zip(names, prices, strict=False))
        provider = SimulatedProvider(name="sim", cost_unit=unit, **asked)
        adapter = SimulatedAdapter(provider, SimulatedBooks(Path("unused")))
        assert cost_of(adapter.offers()[0], usage) == provider.charge(usage)


# Answers.


async def answer_to(make: Make, request: Value, **fields: Any) -> Any:
    return (await ask(make(), to_call(request, **fields))).response


async def test_speakers_take_turns_to_the_end_of_the_recording(make: Make, tmp_path: Path) -> None:
    response = await answer_to(
        make,
        REQUESTS[Capability.TRANSCRIPTION_DIARIZATION],
        capability=Capability.TRANSCRIPTION_DIARIZATION,
        audio=recording(tmp_path, seconds=9),
    )
    assert isinstance(response, TranscriptionResponse)
    assert response.duration_seconds == 9
    assert response.segments is not None
    told = [(one.start, one.end, one.speaker) for one in response.segments]
    assert told == [(0, 4, "speaker_0"), (4, 8, "speaker_1"), (8, 9, "speaker_0")]


async def test_a_recording_without_a_header_is_as_long_as_it_is_large(
    make: Make, tmp_path: Path
) -> None:
    path = tmp_path / "speech.bin"
    path.write_bytes(bytes(64_000))
    audio = AudioFile(path=path, media_type="application/octet-stream", size=64_000)
    response = await answer_to(
        make, TranscriptionRequest(audio_url="a", language="de"), audio=audio
    )
    assert (response.duration_seconds, response.language) == (2, "de")


@pytest.mark.parametrize(
    ("mode", "hidden"),
    [("mask", "[PHONE_NUMBER], or [PHONE_NUMBER]. Thank you"), ("remove", ", or . Thank you")],
)
async def test_digits_are_hidden(make: Make, mode: Any, hidden: str) -> None:
    response = await answer_to(make, RedactionRequest(segments=CALL, mode=mode))
    assert isinstance(response, RedactionResponse)
    assert response.text == f"your number?\n{hidden}"
    assert [(one.segment, one.start, one.end) for one in response.entities] == [
        (1, 0, 12),
        (1, 17, 19),
    ]


async def test_a_digest_is_the_same_for_every_attempt_at_a_call(make: Make) -> None:
    request = RedactionRequest(text="555 and 555 and 556", mode="hash")
    first, second = [await answer_to(make, request) for _ in range(2)]
    other = await answer_to(make, request, call_id="other")
    one, same, another = re.findall(r"\[PHONE_NUMBER:(\w+)\]", first.text)
    assert one == same != another
    assert first == second != other


async def test_what_was_not_asked_for_is_not_hidden(make: Make) -> None:
    response = await answer_to(make, RedactionRequest(text="555 010", entities=("PERSON",)))
    assert (response.text, response.entities) == ("555 010", ())


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Thanks, great!", "positive"),
        ("Late, and wrong.", "negative"),
        ("Great, but late.", "mixed"),
        ("On Monday.", "neutral"),
    ],
)
async def test_moods_go_by_words(make: Make, text: str, label: str) -> None:
    response = await answer_to(make, SentimentRequest(text=text))
    assert isinstance(response, SentimentResponse)
    assert response.label == label


async def test_a_summary_is_the_first_sentences(make: Make) -> None:
    response = await answer_to(make, SummarizationRequest(text="One. Two. Three.", max_sentences=2))
    assert isinstance(response, SummarizationResponse)
    assert response.text == "One. Two."


async def test_a_generation_ends_where_its_bound_is(make: Make) -> None:
    request = GenerationRequest(prompt="x" * 50, max_output_tokens=5)
    answer = await ask(make(unit=CostUnit.TOKEN), to_call(request))
    assert isinstance(answer.response, GenerationResponse)
    assert answer.response.finish_reason == "length"
    assert answer.usage.output_tokens == 5


@pytest.mark.parametrize(
    "schema",
    [
        {
            "mood": {"enum": ["good", "bad"]},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
        },
        {"n": {"type": "integer", "exclusiveMinimum": 3}, "m": {"type": "integer", "maximum": -2}},
        {"names": {"type": "array", "minItems": 2, "items": {"type": "string", "minLength": 12}}},
        {"any": {"anyOf": [{"type": "null"}, {"type": "string"}]}, "yes": {"const": True}},
        {"all": {"allOf": [{"properties": {"a": {"type": "boolean"}}}, {"required": ["a"]}]}},
        {"tree": {"$ref": "#"}},
        {"free": {}, "short": {"type": ["string", "null"], "maxLength": 3}},
    ],
    ids="-".join,
)
async def test_data_follows_the_schema(make: Make, schema: Any) -> None:
    whole = {"type": "object", "properties": schema, "required": [*schema.keys() - {"tree"}]}
    request = GenerationRequest(prompt="a", response_schema=whole)
    await check_contract(
        make(),
        [Example(Capability.LLM_GENERATION, request)],
        capabilities=[Capability.LLM_GENERATION],
    )


@pytest.mark.parametrize(
    "field",
    [{"type": "string", "pattern": "^a$"}, {"$ref": "#"}, {"type": "array", "minItems": 10**9}],
    ids=str,
)
async def test_data_that_can_not_be_made_up_is_somebody_elses(make: Make, field: Any) -> None:
    schema = {"type": "object", "properties": {"a": field}, "required": ["a"]}
    request = GenerationRequest(prompt="a", response_schema=schema)
    assert type(await failure(make(), to_call(request))) is UnsupportedInput
    given = {"capabilities": ["llm_generation"], "response": {"text": "t", "finish_reason": "stop"}}
    assert (await ask(make(given), to_call(request))).response == GenerationResponse(
        text="t", finish_reason="stop"
    )


async def test_an_answer_may_be_scripted(make: Make) -> None:
    rule = {"capabilities": ["summarization"], "response": {"text": "As I say."}}
    assert (await ask(make(rule))).response == SummarizationResponse(text="As I say.")


# Settings.

ENTRY: dict[str, Any] = {"name": "sim"}


def scripted(**rule: Any) -> list[dict[str, Any]]:
    return [{**ENTRY, "script": [rule]}]


@pytest.mark.parametrize(
    ("value", "place", "words"),
    [
        ("{", "", "must be a JSON list"),
        ([{}], "[0].name", "field required"),
        ([ENTRY, ENTRY], "", "the name 'sim' is given twice"),
        ([{"name": "deepgram"}], "", "'deepgram' is the name of a provider that is there already"),
        ([{"name": "vllm"}], "", "'vllm' is the name of a provider that is there already"),
        ([{**ENTRY, "cost_unit": "character"}], "[0]", "what is sold by 'character' needs price"),
        ([{**ENTRY, "price": "1"}], "[0]", "what is sold by 'free' needs no price"),
        (
            [{**ENTRY, "cost_unit": "token", "price": "1"}],
            "[0]",
            "what is sold by 'token' needs input_usd_per_mtok and output_usd_per_mtok",
        ),
        (
            [{**ENTRY, "cost_unit": "minute", "price": 0.1}],
            "[0].price",
            "write it in quotes, so that it is exact",
        ),
        (
            [{**ENTRY, "cost_unit": "minute", "price": "1", "script": [{"usage": {}}]}],
            "[0]",
            "script[0].usage needs audio_seconds, which is what is sold",
        ),
        (scripted(do="explode"), "[0].script[0].do", "input should be 'rate_limited'"),
        (scripted(attempt=1), "[0].script[0].attempt", "no such key"),
        (scripted(attempts=[0]), "[0].script[0].attempts[0]", "input should be greater"),
        (scripted(do="refused", headers={}), "[0].script[0]", "'headers' has no effect where"),
        (scripted(do="bad_key", chunks=2), "[0].script[0]", "'chunks' has no effect where"),
        (scripted(after=1, chunks=2), "[0].script[0]", "'after' has no effect where"),
        (scripted(do="cut", after=2, chunks=2), "[0].script[0]", "'after' needs 'chunks'"),
        (scripted(response={"text": "a"}), "[0].script[0].response", "needs 'capabilities'"),
        (
            scripted(response={"txt": "a"}, capabilities=["summarization"]),
            "[0].script[0].response",
            "is none of summarization: text: Field required",
        ),
    ],
)
def test_wrong_entry_is_one_line_with_place_and_example(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: Any, place: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    server = {"name": "vllm", "base_url": "http://localhost:1/v1", "model": "m"}
    monkeypatch.setenv("AI_COMPATIBLE_PROVIDERS", json.dumps([server]))
    text = value if isinstance(value, str) else json.dumps(value)
    monkeypatch.setenv("AI_SIMULATED_PROVIDERS", text)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    line = str(caught.value)
    assert line.startswith(f"AI_SIMULATED_PROVIDERS{place}: {words}")
    assert "Example: AI_SIMULATED_PROVIDERS=[{" in line
    assert "\n" not in line


async def test_they_are_there_when_the_setting_names_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AI_SIMULATED_PROVIDERS", json.dumps([{"name": "one"}, {"name": "two"}]))
    registry = CapabilityRegistry(build_adapters(Settings.load()))
    for name in ("one", "two"):
        offer = registry.find(name, SUMMARY, "simulated")
        assert offer in registry.offers
        await registry.adapter(name).call(to_call(), lambda _: None)
    await registry.close()
    with closing(SimulatedBooks(tmp_path / ".perdure" / FILE_NAME)) as books:
        assert [one.provider for one in books.sales()] == ["one", "two"]


def test_without_the_setting_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AI_SIMULATED_PROVIDERS", raising=False)
    adapters = build_adapters(Settings())
    assert not any(isinstance(adapter, SimulatedAdapter) for adapter in adapters)


def section() -> str:
    return (ROOT / "docs" / "providers.md").read_text().partition("## Simulated providers")[2]


@pytest.mark.parametrize("name", [*SimulatedProvider.model_fields, *Rule.model_fields, *Act])
def test_every_word_of_the_setting_is_described(name: str) -> None:
    assert f"`{name}`" in section()


def test_the_example_of_the_page_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    example = re.search(r"^AI_SIMULATED_PROVIDERS='(.*?)'", section(), re.MULTILINE | re.DOTALL)
    assert example
    monkeypatch.setenv("AI_SIMULATED_PROVIDERS", example[1])
    (entry,) = Settings.load().ai_simulated_providers
    assert [rule.do for rule in entry.script] == [Act.REFUSED, Act.RATE_LIMITED, Act.ANSWER]
