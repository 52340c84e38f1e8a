"""Amounts add up exactly, come back as they went in, and outlive a restart."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent, Receipt, Sale
from ledger.database import create_engine, migrate
from ledger.errors import BudgetExceeded
from ledger.runs import RunRequest
from settings import MAX_BUDGET_USD, BudgetPolicy

BUDGET = Budget(Decimal(1), BudgetPolicy.WARN)
ANSWER = Receipt({"text": "[NAME] called"})
COSTS = st.decimals(min_value=0, max_value=10_000, places=12, allow_nan=False)


async def buy(engine: AsyncEngine, run: str, costs: Sequence[Decimal]) -> Ledger:
    ledger = Ledger(engine, BUDGET)
    await ledger.runs.reserve(RunRequest("tenant-1", run, "two_steps@1.0.0", Decimal(0)))
    for number, cost in enumerate(costs):
        call = f"{run}/{number}"
        intent = Intent(run, "tenant-1", "redact", "scripted", "model-1", call, 1)
        await ledger.calls.begin(intent)
        sale = Sale({"characters": 7}, {"character": "0.1"}, cost, "the test's script")
        await ledger.calls.close(intent, sale, "success", receipt=ANSWER)
    return ledger


async def costs_of(ledger: Ledger, run: str) -> list[Decimal | None]:
    invoice = await ledger.reports.invoice(run)
    assert invoice is not None
    return [line.cost_usd for line in invoice.lines]


def test_a_total_is_the_exact_sum(database_url: str) -> None:
    engine, numbers = create_engine(database_url), count()

    @settings(max_examples=15, deadline=None)
    @given(st.lists(COSTS, max_size=12))
    @example([Decimal("0.1")] * 10)
    @example([Decimal("0.000000000001"), Decimal(10_000)])
    def adds_up(costs: list[Decimal]) -> None:
        run = f"exec-{next(numbers)}"
        ledger = runner.run(buy(engine, run, costs))
        total = runner.run(ledger.runs.total(run))
        assert total.total == total.known == sum(costs, Decimal(0))

    with asyncio.Runner() as runner:
        runner.run(migrate(engine))
        adds_up()
        assert runner.run(Ledger(engine, BUDGET).reports.verify()) == []
        runner.run(engine.dispose())


async def test_an_amount_comes_back_exactly_and_without_a_positive_exponent(
    engine: AsyncEngine,
) -> None:
    costs = ["0", "10", "1E+3", "0.10", "0.000000000001", "123456.789012345678"]
    ledger = await buy(engine, "exec-1", [Decimal(cost) for cost in costs])
    found = [str(cost) for cost in await costs_of(ledger, "exec-1")]
    assert found == ["0", "10", "1000", "0.1", "1E-12", "123456.789012345678"]


async def test_what_is_finer_than_a_picodollar_is_rounded_half_to_even(
    engine: AsyncEngine,
) -> None:
    ledger = await buy(engine, "exec-1", [Decimal("5e-13"), Decimal("15e-13")])
    assert await costs_of(ledger, "exec-1") == [Decimal(0), Decimal("2e-12")]
    assert await ledger.reports.verify() == []


ENORMOUS = Decimal("1e30")


async def test_what_is_larger_than_any_limit_does_not_fit(engine: AsyncEngine) -> None:
    ledger = Ledger(engine, Budget(Decimal(MAX_BUDGET_USD), BudgetPolicy.HARD_BLOCK))
    run = RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", ENORMOUS)
    with pytest.raises(BudgetExceeded):
        await ledger.runs.reserve(run)
    await ledger.runs.reserve(replace(run, amount_usd=Decimal(1)))
    intent = Intent("exec-1", "tenant-1", "redact", "scripted", "model-1", "call", 1)
    with pytest.raises(BudgetExceeded):
        await ledger.calls.begin(replace(intent, bound_usd=ENORMOUS))


async def test_where_nothing_is_refused_nothing_is_too_large(engine: AsyncEngine) -> None:
    ledger = Ledger(engine, BUDGET)
    run = RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", ENORMOUS, cap_usd=ENORMOUS)
    await ledger.runs.reserve(run)
    intent = Intent("exec-1", "tenant-1", "redact", "scripted", "model-1", "call", 1)
    await ledger.calls.begin(replace(intent, bound_usd=ENORMOUS))
    assert (await ledger.budgets.account("tenant-1")).reserved_usd >= MAX_BUDGET_USD
    assert await ledger.reports.verify() == []


async def test_what_is_booked_outlives_a_restart(database_url: str, engine: AsyncEngine) -> None:
    await buy(engine, "exec-1", [Decimal("0.1"), Decimal("0.2")])
    await engine.dispose()
    again = create_engine(database_url)
    await migrate(again)
    ledger = Ledger(again, BUDGET)
    assert (await ledger.runs.total("exec-1")).total == Decimal("0.3")
    assert await ledger.calls.receipt("exec-1/0") == ANSWER
    assert await ledger.reports.verify() == []
    await again.dispose()
