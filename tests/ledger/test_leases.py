"""What a run holds at its end, whoever comes late."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent, Receipt, Sale
from ledger.errors import BudgetExceeded
from ledger.runs import LEASE, UNCONFIRMED_LEASE, RunRequest
from settings import BudgetPolicy
from tests.clock import StoppedClock

NOTHING, ONE = Decimal(0), Decimal(1)
RUN = RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", ONE)
INTENT = Intent("exec-1", "tenant-1", "redact", "scripted", "model-1", "call-1", 1, bound_usd=ONE)
SALE = Sale({"characters": 7}, {"character": "0.1"}, Decimal("0.7"), "the test's script")
ANSWER = Receipt({"text": "[NAME] called"})


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(datetime(2026, 6, 15, tzinfo=UTC))


@pytest.fixture
async def ledger(engine: AsyncEngine, clock: StoppedClock) -> Ledger:
    ledger = Ledger(engine, Budget(ONE, BudgetPolicy.HARD_BLOCK), clock=clock)
    await ledger.runs.reserve(RUN)
    return ledger


async def standing(ledger: Ledger) -> tuple[Decimal, Decimal]:
    """Return what the tenant's month has spent and reserved."""
    account = await ledger.budgets.account("tenant-1")
    assert await ledger.reports.verify() == []
    return account.spent_usd, account.reserved_usd


async def test_what_a_run_holds_that_has_ended_is_given_back_when_its_lease_is_over(
    ledger: Ledger, clock: StoppedClock
) -> None:
    assert await ledger.runs.expired() == []
    clock.now += LEASE
    assert await ledger.runs.expired() == ["exec-1"]
    await ledger.runs.release("exec-1")
    assert await standing(ledger) == (NOTHING, NOTHING)
    assert await ledger.runs.expired() == []


async def test_an_unconfirmed_call_is_held_after_the_end_until_its_lease_is_over(
    ledger: Ledger, clock: StoppedClock
) -> None:
    await ledger.calls.begin(INTENT)
    await ledger.runs.settle("exec-1")
    assert await standing(ledger) == (NOTHING, ONE)
    clock.now += UNCONFIRMED_LEASE
    await ledger.runs.release("exec-1")
    assert await standing(ledger) == (NOTHING, NOTHING)


async def test_what_an_open_call_may_cost_is_held_when_its_run_ends_without_settling(
    ledger: Ledger, clock: StoppedClock
) -> None:
    await ledger.calls.begin(INTENT)
    clock.now += LEASE
    await ledger.runs.release("exec-1")
    assert await standing(ledger) == (NOTHING, ONE)
    with pytest.raises(BudgetExceeded):
        await ledger.runs.reserve(replace(RUN, execution_id="exec-2"))
    await ledger.calls.close(INTENT, SALE, "success")
    assert await standing(ledger) == (Decimal("0.7"), NOTHING)


async def test_a_call_that_nobody_ever_confirms_is_held_for_a_day_after_such_an_end(
    ledger: Ledger, clock: StoppedClock
) -> None:
    await ledger.calls.begin(INTENT)
    clock.now += LEASE
    await ledger.runs.release("exec-1")
    assert await ledger.runs.expired() == []
    clock.now += UNCONFIRMED_LEASE
    assert await ledger.runs.expired() == ["exec-1"]
    await ledger.runs.release("exec-1")
    assert await standing(ledger) == (NOTHING, NOTHING)


async def test_a_call_of_a_run_that_was_released_holds_what_it_may_cost(
    ledger: Ledger, clock: StoppedClock
) -> None:
    clock.now += LEASE
    await ledger.runs.release("exec-1")
    await ledger.calls.begin(INTENT)
    assert await standing(ledger) == (NOTHING, ONE)
    clock.now += UNCONFIRMED_LEASE
    assert await ledger.runs.expired() == ["exec-1"]


async def test_a_sweeper_that_comes_too_late_takes_nothing_from_a_run_that_was_admitted(
    ledger: Ledger, clock: StoppedClock
) -> None:
    clock.now += LEASE
    assert await ledger.runs.expired() == ["exec-1"]
    await ledger.runs.admit(RUN)
    await ledger.runs.release("exec-1")
    assert await standing(ledger) == (NOTHING, ONE)


async def test_a_run_that_is_asked_for_again_keeps_what_it_holds_whatever_the_limit_is(
    ledger: Ledger,
) -> None:
    await ledger.budgets.set_limit("tenant-1", Decimal("0.5"))
    await ledger.runs.reserve(RUN)
    assert await standing(ledger) == (NOTHING, ONE)
    with pytest.raises(BudgetExceeded):
        await ledger.runs.reserve(replace(RUN, amount_usd=Decimal(2)))


async def test_a_run_that_is_admitted_again_after_its_end_needs_room_for_all_it_had(
    ledger: Ledger,
) -> None:
    await ledger.runs.settle("exec-1")
    await ledger.runs.reserve(replace(RUN, execution_id="exec-2"))
    with pytest.raises(BudgetExceeded):
        await ledger.runs.admit(replace(RUN, amount_usd=NOTHING))
    assert await standing(ledger) == (NOTHING, ONE)


async def test_the_answer_of_a_zombie_that_wakes_after_the_end_is_not_kept(
    ledger: Ledger,
) -> None:
    await ledger.calls.begin(INTENT)
    await ledger.runs.settle("exec-1")
    await ledger.calls.close(INTENT, SALE, "success", receipt=ANSWER)
    assert await ledger.calls.receipt("call-1") is None
    assert await standing(ledger) == (Decimal("0.7"), NOTHING)


async def test_amounts_finer_than_a_picodollar_add_up_like_any_others(ledger: Ledger) -> None:
    half = Decimal("5e-13")
    for number in range(1, 6):
        intent = replace(INTENT, call_id=f"call-{number}", bound_usd=number * half + Decimal("0.1"))
        await ledger.calls.begin(intent)
        await standing(ledger)
        await ledger.calls.close(intent, replace(SALE, cost_usd=number * half), "success")
        await standing(ledger)
    await ledger.budgets.set_limit("tenant-1", Decimal(5))
    await ledger.runs.admit(replace(RUN, amount_usd=ONE + half))
    await ledger.runs.admit(replace(RUN, amount_usd=ONE + 3 * half))
    await standing(ledger)
