"""Intent before the call, receipt before the answer; every figure is the sum that it should be."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent, Receipt, Sale
from ledger.errors import BoundNeeded, BudgetExceeded, NotAdmitted, UnboundedCall
from ledger.runs import RunRequest
from settings import BudgetPolicy

UNIT = Decimal(1)
RUN = RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", UNIT, tags={"team": "red"})
INTENT = Intent("exec-1", "tenant-1", "redact", "scripted", "model-1", "exec-1/redact/0", 1)
SALE = Sale({"characters": 7}, {"character": "0.1"}, Decimal("0.7"), "the test's script")
ANSWER = Receipt({"text": "[NAME] called"})


def with_policy(engine: AsyncEngine, policy: BudgetPolicy, limit: str = "50") -> Ledger:
    return Ledger(engine, Budget(Decimal(limit), policy))


@pytest.fixture
async def ledger(engine: AsyncEngine) -> AsyncIterator[Ledger]:
    ledger = with_policy(engine, BudgetPolicy.SOFT_BLOCK)
    await ledger.runs.reserve(RUN)
    yield ledger
    assert await ledger.reports.verify() == []


@pytest.fixture
async def hard(engine: AsyncEngine) -> AsyncIterator[Ledger]:
    ledger = with_policy(engine, BudgetPolicy.HARD_BLOCK, "2")
    await ledger.runs.reserve(RUN)
    yield ledger
    assert await ledger.reports.verify() == []


async def standing(ledger: Ledger) -> tuple[Decimal | int, Decimal | int]:
    """Return what the tenant's month has spent and reserved."""
    account = await ledger.budgets.account("tenant-1")
    return account.spent_usd, account.reserved_usd


async def lines(ledger: Ledger) -> list[tuple[int, str, Decimal | None, bool]]:
    invoice = await ledger.reports.invoice("exec-1")
    assert invoice is not None
    return [(line.attempt, line.state, line.cost_usd, line.duplicate) for line in invoice.lines]


async def test_an_answer_is_spent_and_comes_out_of_what_was_reserved(ledger: Ledger) -> None:
    assert await standing(ledger) == (0, 1)
    assert await ledger.calls.begin(INTENT) is None
    assert await ledger.calls.close(INTENT, SALE, "success", receipt=ANSWER) == Decimal("0.7")
    assert await standing(ledger) == (Decimal("0.7"), Decimal("0.3"))
    assert await lines(ledger) == [(1, "confirmed", Decimal("0.7"), False)]


async def test_a_retry_of_an_answered_call_gets_the_receipt(ledger: Ledger) -> None:
    await ledger.calls.begin(INTENT)
    await ledger.calls.close(INTENT, SALE, "success", receipt=ANSWER)
    again = replace(INTENT, attempt=2)
    assert await ledger.calls.begin(again) == ANSWER
    assert await ledger.calls.receipt(INTENT.call_id) == ANSWER
    assert await lines(ledger) == [(1, "confirmed", Decimal("0.7"), False)]


async def test_closing_again_changes_nothing(ledger: Ledger) -> None:
    await ledger.calls.begin(INTENT)
    for _ in range(2):
        await ledger.calls.close(INTENT, SALE, "success", receipt=ANSWER)
    assert await standing(ledger) == (Decimal("0.7"), Decimal("0.3"))


async def test_a_lost_attempt_is_unconfirmed_and_makes_the_total_unknown(ledger: Ledger) -> None:
    await ledger.calls.begin(INTENT)
    second = replace(INTENT, attempt=2)
    await ledger.calls.begin(second)
    assert await ledger.calls.close(second, SALE, "success", receipt=ANSWER) is None
    assert await lines(ledger) == [
        (1, "unconfirmed", None, False),
        (2, "confirmed", Decimal("0.7"), False),
    ]
    total = (await ledger.runs.settle("exec-1")).total
    assert (total.total, total.known) == (None, Decimal("0.7"))


async def test_a_zombie_that_wakes_has_a_duplicate_entry_and_its_answer_is_not_taken(
    ledger: Ledger,
) -> None:
    await ledger.calls.begin(INTENT)
    second = replace(INTENT, attempt=2)
    await ledger.calls.begin(second)
    await ledger.calls.close(second, SALE, "success", receipt=ANSWER)
    other = Receipt({"text": "something else"})
    assert await ledger.calls.close(INTENT, SALE, "success", receipt=other) == Decimal("1.4")
    assert await lines(ledger) == [
        (1, "confirmed", Decimal("0.7"), True),
        (2, "confirmed", Decimal("0.7"), False),
    ]
    assert await ledger.calls.receipt(INTENT.call_id) == ANSWER
    assert (await ledger.runs.settle("exec-1")).total.total == Decimal("1.4")


async def test_a_zombie_that_wakes_after_the_end_is_booked_and_settles_nothing_twice(
    ledger: Ledger,
) -> None:
    await ledger.calls.begin(INTENT)
    second = replace(INTENT, attempt=2)
    await ledger.calls.begin(second)
    await ledger.calls.close(second, SALE, "success", receipt=ANSWER)
    assert (await ledger.runs.settle("exec-1")).is_first
    await ledger.calls.close(INTENT, SALE, "success", receipt=ANSWER)
    assert not (await ledger.runs.settle("exec-1")).is_first
    assert await standing(ledger) == (Decimal("1.4"), 0)
    assert (await lines(ledger))[0] == (1, "confirmed", Decimal("0.7"), True)


async def test_a_wiped_receipt_lets_the_call_be_made_again_with_a_new_entry(ledger: Ledger) -> None:
    await ledger.calls.begin(INTENT)
    await ledger.calls.close(INTENT, SALE, "success", receipt=ANSWER)
    await ledger.runs.settle("exec-1")
    assert await ledger.calls.receipt(INTENT.call_id) is None
    again = replace(INTENT, attempt=2)
    assert await ledger.calls.begin(again) is None
    await ledger.calls.close(again, SALE, "success", receipt=ANSWER)
    assert await ledger.calls.receipt(INTENT.call_id) == ANSWER
    assert await standing(ledger) == (Decimal("1.4"), 0)


async def test_a_failure_that_cost_nothing_is_a_line_of_nothing(ledger: Ledger) -> None:
    await ledger.calls.begin(INTENT)
    assert await ledger.calls.close(INTENT, None, "rate_limited") == 0
    assert await lines(ledger) == [(1, "confirmed", Decimal(0), False)]


async def test_what_was_doubted_is_confirmed_when_somebody_knows(ledger: Ledger) -> None:
    await ledger.calls.begin(INTENT)
    await ledger.calls.doubt(INTENT, "timeout")
    assert (await ledger.runs.settle("exec-1")).total.total is None
    await ledger.calls.close(INTENT, SALE, "reconciled")
    assert (await ledger.runs.total("exec-1")).total == Decimal("0.7")


async def test_a_call_of_a_run_that_was_never_admitted_is_refused(ledger: Ledger) -> None:
    with pytest.raises(NotAdmitted, match="exec-2"):
        await ledger.calls.begin(replace(INTENT, execution_id="exec-2"))


async def test_a_hard_limit_asks_for_a_bound_and_refuses_a_call_without_one(hard: Ledger) -> None:
    with pytest.raises(BoundNeeded):
        await hard.calls.begin(INTENT)
    with pytest.raises(UnboundedCall, match="scripted/model-1"):
        await hard.calls.begin(replace(INTENT, bound_tried=True))
    assert await lines(hard) == []


async def test_a_hard_limit_holds_what_open_calls_may_cost(hard: Ledger) -> None:
    first = replace(INTENT, bound_usd=Decimal("1.5"))
    await hard.calls.begin(first)
    assert await standing(hard) == (0, Decimal("1.5"))
    with pytest.raises(BudgetExceeded) as refused:
        await hard.calls.begin(replace(INTENT, call_id="other", bound_usd=Decimal("0.6")))
    assert (refused.value.policy, refused.value.needed_usd) == ("hard_block", Decimal("0.6"))
    await hard.calls.close(first, SALE, "success", receipt=ANSWER)
    assert await standing(hard) == (Decimal("0.7"), Decimal("0.3"))
    await hard.calls.begin(replace(INTENT, call_id="other", bound_usd=Decimal("0.6")))
    assert await standing(hard) == (Decimal("0.7"), Decimal("0.6"))


async def test_a_limit_that_was_lowered_lets_no_call_begin_until_it_fits(hard: Ledger) -> None:
    await hard.budgets.set_limit("tenant-1", Decimal("0.5"))
    with pytest.raises(BudgetExceeded):
        await hard.calls.begin(replace(INTENT, bound_usd=Decimal("0.1")))
    await hard.budgets.set_limit("tenant-1", Decimal(1))
    await hard.calls.begin(replace(INTENT, bound_usd=Decimal("0.1")))


async def test_a_free_call_needs_no_money(hard: Ledger) -> None:
    await hard.budgets.set_limit("tenant-1", Decimal(0))
    assert await hard.calls.begin(replace(INTENT, bound_usd=Decimal(0))) is None


@pytest.mark.parametrize("policy", list(BudgetPolicy))
async def test_a_runs_cap_holds_under_every_policy_and_over_all_attempts(
    engine: AsyncEngine, policy: BudgetPolicy
) -> None:
    ledger = with_policy(engine, policy)
    await ledger.runs.reserve(replace(RUN, cap_usd=Decimal(1)))
    first = replace(INTENT, bound_usd=Decimal("0.7"))
    await ledger.calls.begin(first)
    await ledger.calls.close(first, SALE, "provider_fault")
    with pytest.raises(BudgetExceeded) as refused:
        await ledger.calls.begin(replace(first, attempt=2))
    assert (refused.value.policy, refused.value.limit_usd) == ("max_cost_usd", UNIT)
    assert "run's cap of 1 USD" in str(refused.value)


async def test_entries_say_whose_they_are_and_what_a_unit_cost(ledger: Ledger) -> None:
    await ledger.calls.begin(INTENT)
    await ledger.calls.close(INTENT, SALE, "success", receipt=ANSWER)
    invoice = await ledger.reports.invoice("exec-1")
    assert invoice is not None
    assert (invoice.tenant_id, invoice.pipeline) == ("tenant-1", "two_steps@1.0.0")
    assert invoice.day == datetime.now(UTC).date()
    (line,) = invoice.lines
    assert (line.usage, line.unit_prices) == ({"characters": 7}, {"character": "0.1"})
    assert line.price_source == "the test's script"


async def test_one_attempt_closed_by_many_at_once_is_one_entry(ledger: Ledger) -> None:
    await ledger.calls.begin(INTENT)
    await asyncio.gather(*(ledger.calls.close(INTENT, SALE, "success") for _ in range(20)))
    assert await standing(ledger) == (Decimal("0.7"), Decimal("0.3"))


async def test_a_key_that_comes_again_after_the_end_reserves_nothing(ledger: Ledger) -> None:
    await ledger.runs.settle("exec-1")
    await ledger.runs.reserve(RUN)
    assert await standing(ledger) == (0, 0)
    await ledger.runs.admit(RUN)  # a run that was reset
    assert await standing(ledger) == (0, 1)
