"""A run counts once, in the month of its admission, however long it takes."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent, Sale
from ledger.errors import BudgetExceeded
from ledger.runs import RunRequest
from settings import BudgetPolicy
from tests.clock import StoppedClock

LAST_MOMENT = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
NOTHING, ONE = Decimal(0), Decimal(1)
RUN = RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", ONE)
INTENT = Intent(
    "exec-1", "tenant-1", "redact", "scripted", "model-1", "call-1", 1, bound_usd=Decimal("0.9")
)
SALE = Sale({"characters": 7}, {"character": "0.1"}, Decimal("0.7"), "the test's script")


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(LAST_MOMENT)


@pytest.fixture
def ledger(engine: AsyncEngine, clock: StoppedClock) -> Ledger:
    return Ledger(engine, Budget(ONE, BudgetPolicy.HARD_BLOCK), clock=clock)


async def months(ledger: Ledger) -> dict[str, tuple[Decimal, Decimal]]:
    """Return what each month has spent and reserved."""
    found = {}
    for period in await ledger.budgets.periods_of("tenant-1"):
        account = await ledger.budgets.account("tenant-1", period)
        found[period] = (account.spent_usd, account.reserved_usd)
    return found


async def test_a_run_across_the_months_end_counts_once_in_its_month_of_admission(
    ledger: Ledger, clock: StoppedClock
) -> None:
    await ledger.runs.reserve(RUN)
    clock.now += timedelta(microseconds=1)
    await ledger.runs.admit(RUN)
    await ledger.calls.begin(INTENT)
    assert await months(ledger) == {"2026-12": (NOTHING, ONE)}
    await ledger.calls.close(INTENT, SALE, "success")
    assert await months(ledger) == {"2026-12": (Decimal("0.7"), Decimal("0.3"))}
    await ledger.runs.settle("exec-1")
    assert await months(ledger) == {"2026-12": (Decimal("0.7"), NOTHING)}
    new_year = date(2027, 1, 1)
    old = await ledger.reports.spend("tenant-1", date(2026, 12, 1), new_year)
    new = await ledger.reports.spend("tenant-1", new_year, date(2027, 2, 1))
    assert (old.total_usd, new.total_usd) == (Decimal("0.7"), NOTHING)
    invoice = await ledger.reports.invoice("exec-1")
    assert invoice is not None
    assert invoice.day == date(2026, 12, 31)
    assert await ledger.reports.verify() == []


async def test_a_run_that_is_estimated_higher_in_the_next_month_needs_room_in_its_own(
    ledger: Ledger, clock: StoppedClock
) -> None:
    await ledger.runs.reserve(RunRequest("tenant-1", "exec-1", "p@1", Decimal("0.5")))
    clock.now += timedelta(microseconds=1)
    await ledger.runs.admit(RUN)
    assert await months(ledger) == {"2026-12": (NOTHING, ONE)}
    with pytest.raises(BudgetExceeded) as refused:
        await ledger.calls.begin(replace(INTENT, bound_usd=Decimal("1.1")))
    assert refused.value.resets_at == datetime(2027, 1, 1, tzinfo=UTC)


async def test_the_next_month_begins_with_all_of_its_limit(
    ledger: Ledger, clock: StoppedClock
) -> None:
    await ledger.runs.reserve(RUN)
    other = RunRequest("tenant-1", "exec-2", "two_steps@1.0.0", ONE)
    with pytest.raises(BudgetExceeded) as refused:
        await ledger.runs.reserve(other)
    assert refused.value.resets_at == datetime(2027, 1, 1, tzinfo=UTC)
    account = await ledger.budgets.account("tenant-1")
    assert (account.period, account.remaining_usd) == ("2026-12", NOTHING)
    clock.now = account.resets_at
    account = await ledger.budgets.account("tenant-1")
    assert (account.period, account.remaining_usd) == ("2027-01", ONE)
    await ledger.runs.reserve(other)
    assert await months(ledger) == {"2026-12": (NOTHING, ONE), "2027-01": (NOTHING, ONE)}
    assert await ledger.reports.verify() == []
