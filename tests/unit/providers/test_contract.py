"""The contract test: it passes our own adapters and finds what is wrong in others."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest

from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.contract import ContractBroken, Example, check_contract
from providers.errors import InvalidRequest
from providers.types import (
    Capability,
    CostUnit,
    Offer,
    QualityTier,
    SummarizationRequest,
    SummarizationResponse,
    TokenPrices,
    Usage,
)

SUMMARY = Capability.SUMMARIZATION
GOOD = Example(SUMMARY, SummarizationRequest(text="Long."))
PRICES = TokenPrices(input=Decimal(1), cached_input=None, cache_write_input=None, output=Decimal(2))


def offer(**changes: Any) -> Offer:
    fields: dict[str, Any] = {
        "provider": "demo",
        "capability": SUMMARY,
        "model": "m",
        "quality_tier": QualityTier.BASIC,
        "cost_unit": CostUnit.CHARACTER,
        "price": Decimal("0.001"),
        "price_source": "a test",
    }
    return Offer(**fields | changes)


def answer(response: object = None, **usage: Any) -> ProviderAnswer:
    given: Any = response or SummarizationResponse(text="Short.")
    return ProviderAnswer(given, Usage(**usage or {"characters": 5}))


Act = Callable[[ProviderCall, ReportProgress], Awaitable[Any]]


async def well_behaved(call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
    report_progress(0.5)
    await asyncio.sleep(0)
    if call.request == SummarizationRequest(text=""):
        raise InvalidRequest("The text is empty.")
    report_progress(1)
    return answer()


class Demo(ProviderAdapter):
    """Offers and does what it is given."""

    name = "demo"

    def __init__(self, act: Act = well_behaved, offers: Sequence[Any] = (offer(),)) -> None:
        self._act = act
        self._offers = offers
        self.asked: list[ProviderCall] = []

    def offers(self) -> Sequence[Offer]:
        return self._offers

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        self.asked.append(call)
        done: ProviderAnswer = await self._act(call, report_progress)
        return done


async def faults_of(
    adapter: ProviderAdapter, good: Sequence[Example] = (GOOD,), bad: Sequence[Example] = ()
) -> str:
    with pytest.raises(ContractBroken) as caught:
        await check_contract(adapter, good, bad, seconds=5)
    assert str(caught.value).splitlines()[1:] == [f"- {fault}" for fault in caught.value.faults]
    return "\n".join(caught.value.faults)


async def test_an_adapter_that_does_everything_right_passes() -> None:
    adapter = Demo(
        offers=[offer(), offer(model="n"), offer(model="o", available=False, reason="x")]
    )
    empty = Example(SUMMARY, SummarizationRequest(text=""))
    await check_contract(adapter, [GOOD], [empty])
    # Each offer: to the end, cancelled at once, cancelled at its first progress, the bad example.
    assert [call.model for call in adapter.asked].count("m") == 4
    assert [call.model for call in adapter.asked].count("n") == 4
    assert {call.model for call in adapter.asked} == {"m", "n"}
    assert len({call.call_id for call in adapter.asked}) == 8, (
        "one that is known is not asked again"
    )


async def test_everything_that_is_wrong_is_told_together() -> None:
    async def act(_call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        report_progress(2)
        return answer(audio_seconds=1)

    adapter = Demo(act, [offer(price_source="")])
    adapter.name = "De mo"
    with pytest.raises(AssertionError, match="The provider 'De mo' breaks the contract:") as caught:
        await check_contract(adapter, [GOOD])
    assert isinstance(caught.value, ContractBroken)
    assert len(caught.value.faults) == 5


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"provider": "other"}, "provider must be the adapter's name, 'demo'; found 'other'"),
        ({"model": ""}, "model must have a name"),
        ({"reason": "No key."}, "available has no reason"),
        ({"available": False}, "needs a reason"),
        ({"price_source": ""}, "price_source must say"),
        ({"price": Decimal(-1)}, "from 0 upwards; found -1"),
        ({"cost_unit": CostUnit.FREE}, "what is free has the price 0; found 0.001"),
        ({"cost_unit": CostUnit.FREE, "price": None}, "what is free has the price 0; found None"),
        ({"token_prices": (PRICES,)}, "not by character"),
        ({"cost_unit": CostUnit.TOKEN}, r"found thresholds \[\]"),
        ({"cost_unit": CostUnit.TOKEN, "token_prices": (PRICES,)}, "one input token, 0.000001"),
        (
            {
                "cost_unit": CostUnit.TOKEN,
                "token_prices": (PRICES.model_copy(update={"output": None}),),
            },
            "a price for input and one for output",
        ),
    ],
)
async def test_an_offer_that_is_wrong_is_found(changes: dict[str, Any], fault: str) -> None:
    found = await faults_of(Demo(offers=[offer(**changes)]))
    assert re.search(f"Offer summarization/{changes.get('model', 'm')}: .*{fault}", found)


async def test_an_offer_without_a_price_needs_none() -> None:
    usage = {"input_tokens": 3, "output_tokens": 1}

    async def act(_call: ProviderCall, _report: ReportProgress) -> ProviderAnswer:
        return answer(**usage)

    unknown = offer(cost_unit=CostUnit.TOKEN, price=None)
    priced = offer(
        model="n", cost_unit=CostUnit.TOKEN, price=Decimal("0.000001"), token_prices=(PRICES,)
    )
    await check_contract(Demo(act, [unknown, priced]), [GOOD])


async def test_two_offers_of_one_model_and_what_is_no_offer_are_found() -> None:
    assert "more than one" in await faults_of(Demo(offers=[offer(), offer()]))
    assert "found a dict" in await faults_of(Demo(offers=[{}]))


async def test_what_would_stay_unchecked_is_found() -> None:
    assert "summarization: there is no good example" in await faults_of(Demo(), [])
    assert "There is no good example" in await faults_of(Demo(offers=[]), [])
    shut = Demo(offers=[offer(available=False, reason="Set DEMO_KEY.")])
    assert "no available offer. Set DEMO_KEY." in await faults_of(shut)
    speech = Capability.TRANSCRIPTION
    wrong = [GOOD, Example(speech, SummarizationRequest(text="a"))]
    found = await faults_of(Demo(), wrong)
    assert "transcription: an example is a SummarizationRequest, no TranscriptionRequest" in found
    assert "transcription: an example has no recording" in found
    assert "The adapter does not offer it" in found


async def test_other_capabilities_are_left_out_when_asked_to() -> None:
    speech = offer(capability=Capability.TRANSCRIPTION, cost_unit=CostUnit.MINUTE)
    await check_contract(Demo(offers=[offer(), speech]), [GOOD], capabilities=[SUMMARY])
    assert "transcription: there is no good example" in await faults_of(
        Demo(offers=[offer(), speech])
    )


def raising(error: BaseException) -> Act:
    async def act(_call: ProviderCall, _report: ReportProgress) -> Any:
        raise error

    return act


def answering(value: Any, *progress: float) -> Act:
    async def act(_call: ProviderCall, report_progress: ReportProgress) -> Any:
        for fraction in progress:
            report_progress(fraction)
        return value

    return act


async def blocking(_call: ProviderCall, _report: ReportProgress) -> ProviderAnswer:
    time.sleep(1.1)  # noqa: ASYNC251 - the mistake that is to be found
    return answer()


async def never(_call: ProviderCall, _report: ReportProgress) -> ProviderAnswer:
    await asyncio.Event().wait()
    raise AssertionError


async def changing(call: ProviderCall, _report: ReportProgress) -> ProviderAnswer:
    object.__setattr__(call.request, "text", "other")
    return answer()


@pytest.mark.parametrize(
    ("act", "fault"),
    [
        (raising(ValueError("bad")), r"only the errors of .* it was ValueError: bad\."),
        (raising(InvalidRequest("No.")), "a good example failed with 'invalid_request': No."),
        (raising(asyncio.CancelledError()), "it was CancelledError"),
        (answering("text"), "it returned a str"),
        (answering(answer(SummarizationRequest(text="a"))), "must be a SummarizationResponse"),
        (answering(answer(audio_seconds=2)), "usage lacks characters, .* sold by character"),
        (answering(answer(), 0.5, 1.5), r"progress .* it was \[0.5, 1.5\]"),
        (answering(answer(), 0.5, 0.4), r"never falls; it was \[0.5, 0.4\]"),
        (answering(answer(), float("nan")), r"it was \[nan\]"),
        (changing, "the request is not the adapter's to change"),
        (blocking, r"the event loop was held up for \d+\.\d s"),
    ],
)
async def test_a_call_that_goes_wrong_is_found(act: Act, fault: str) -> None:
    good = Example(SUMMARY, SummarizationRequest(text="Long."))
    assert re.search(f"^summarization/m: .*{fault}", await faults_of(Demo(act), [good]))


async def test_a_call_that_never_ends_is_found() -> None:
    with pytest.raises(ContractBroken, match=r"there was no answer within 0\.1 s"):
        await check_contract(Demo(never), [GOOD], seconds=0.1)


async def swallows(_call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
    report_progress(0.5)
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        raise InvalidRequest("Cancelled.") from None
    return answer()


async def goes_on(_call: ProviderCall, _report: ReportProgress) -> ProviderAnswer:
    try:
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        await asyncio.Event().wait()
    return answer()


class Bounded(Demo):
    """Tells what a call can use: nobody knows, this much, or that something broke."""

    def __init__(self, bounds: Sequence[Usage] | Exception, act: Act = well_behaved) -> None:
        super().__init__(act)
        self._bounds = bounds

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:
        assert call not in self.asked, "it is asked before the call"
        if isinstance(self._bounds, Exception):
            raise self._bounds
        return self._bounds


@pytest.mark.parametrize("bounds", [[], [Usage(characters=5)], [Usage(), Usage(characters=6)]])
async def test_an_answer_within_its_bounds_passes(bounds: Sequence[Usage]) -> None:
    await check_contract(Bounded(bounds), [GOOD])


@pytest.mark.parametrize(
    ("bounds", "fault"),
    [
        ([Usage(characters=4)], r"cost 0\.005 USD, more than its upper bound of 0\.004 USD"),
        ([Usage(input_tokens=9)], "upper_bounds.. tells no characters that can be priced"),
        (ValueError("bad"), r"upper_bounds.. must return .*; it raised ValueError: bad\."),
    ],
)
async def test_a_bound_that_does_not_hold_is_found(
    bounds: Sequence[Usage] | Exception, fault: str
) -> None:
    assert re.search(f"^summarization/m: .*{fault}", await faults_of(Bounded(bounds)))


async def test_a_call_of_which_nobody_knows_the_price_can_not_exceed_its_bound() -> None:
    adapter = Bounded([Usage(characters=1)])
    adapter._offers = [offer(price=None)]
    await check_contract(adapter, [GOOD])


@pytest.fixture
async def leftover() -> AsyncIterator[list["asyncio.Task[Any]"]]:
    tasks: list[asyncio.Task[Any]] = []
    yield tasks
    for task in tasks:
        task.cancel()


async def test_a_cancellation_that_does_not_come_through_is_found() -> None:
    found = await faults_of(Demo(swallows))
    for when in ("at once", "at its first progress"):
        assert f"cancelled {when} must let that through; it gave a InvalidRequest." in found


async def test_a_cancelled_call_that_goes_on_is_found() -> None:
    assert "must end within a second; it went on" in await faults_of(Demo(goes_on))


async def test_a_task_that_a_cancelled_call_leaves_is_found(
    leftover: list["asyncio.Task[Any]"],
) -> None:
    async def forgotten() -> None:
        await asyncio.Event().wait()

    async def act(_call: ProviderCall, _report: ReportProgress) -> ProviderAnswer:
        task = asyncio.create_task(forgotten())
        leftover.append(task)
        await asyncio.sleep(0)
        task.cancel()
        return answer()

    assert re.search("left a task running: .*forgotten", await faults_of(Demo(act)))


async def test_a_bad_example_that_is_answered_is_found() -> None:
    bad = [Example(SUMMARY, SummarizationRequest(text="Fine."))]
    assert "a bad example was answered" in await faults_of(Demo(), bad=bad)
