"""Entries are written once and add up exactly."""

import asyncio
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.database import create_engine, migrate
from ledger.entries import Entry, Ledger, Total

ENTRY = Entry(
    tenant_id="tenant-1",
    execution_id="exec-1",
    pipeline="two_steps@1.0.0",
    step="redact",
    provider="scripted",
    model="model-1",
    call_id="exec-1/redact/0",
    attempt=1,
    usage={"characters": 7},
    cost_usd=Decimal("0.007"),
    price_source="the test's script",
)


async def test_an_entry_comes_back_as_it_was_written(engine: AsyncEngine) -> None:
    ledger = Ledger(engine)
    await ledger.record(ENTRY)
    assert await ledger.of_execution("exec-1") == [ENTRY]


async def test_the_same_attempt_written_again_changes_nothing(engine: AsyncEngine) -> None:
    ledger = Ledger(engine)
    await ledger.record(ENTRY)
    await ledger.record(replace(ENTRY, cost_usd=Decimal(9)))
    assert await ledger.of_execution("exec-1") == [ENTRY]


async def test_another_attempt_at_the_same_call_is_another_entry(engine: AsyncEngine) -> None:
    ledger = Ledger(engine)
    await ledger.record(ENTRY)
    await ledger.record(replace(ENTRY, attempt=2))
    assert (await ledger.total("exec-1")).total == Decimal("0.014")


async def test_an_unknown_cost_makes_the_total_unknown_and_keeps_the_rest(
    engine: AsyncEngine,
) -> None:
    ledger = Ledger(engine)
    await ledger.record(ENTRY)
    await ledger.record(replace(ENTRY, attempt=2, cost_usd=None))
    assert await ledger.total("exec-1") == Total(total=None, known=Decimal("0.007"))


async def test_a_run_without_entries_cost_nothing(engine: AsyncEngine) -> None:
    assert await Ledger(engine).total("exec-1") == Total(total=Decimal(0), known=Decimal(0))


async def test_another_runs_entries_do_not_count(engine: AsyncEngine) -> None:
    ledger = Ledger(engine)
    await ledger.record(replace(ENTRY, execution_id="exec-2", call_id="exec-2/redact/0"))
    assert (await ledger.total("exec-1")).total == 0


async def test_entries_survive_a_restart(database_url: str, engine: AsyncEngine) -> None:
    await Ledger(engine).record(ENTRY)
    again = create_engine(database_url)
    await migrate(again)
    assert await Ledger(again).of_execution("exec-1") == [ENTRY]
    await again.dispose()


async def test_writers_of_several_processes_wait_for_each_other(
    database_url: str, engine: AsyncEngine
) -> None:
    engines = [create_engine(database_url) for _ in range(4)]
    await asyncio.gather(
        *(
            Ledger(engines[number % 4]).record(
                replace(ENTRY, call_id=f"exec-1/redact/{number}", cost_usd=Decimal("0.1"))
            )
            for number in range(100)
        )
    )
    assert (await Ledger(engine).total("exec-1")).total == 10
    for other in engines:
        await other.dispose()


async def test_one_attempt_written_by_many_at_once_is_one_entry(engine: AsyncEngine) -> None:
    ledger = Ledger(engine)
    await asyncio.gather(*(ledger.record(ENTRY) for _ in range(20)))
    assert len(await ledger.of_execution("exec-1")) == 1


costs = st.decimals(min_value=0, max_value=10_000, places=12, allow_nan=False)


@settings(max_examples=30, deadline=None)
@given(st.lists(costs, max_size=30))
@example([Decimal("0.1")] * 10)
@example([Decimal("0.000000000001"), Decimal(10_000)])
def test_the_total_is_the_exact_sum(amounts: list[Decimal]) -> None:
    async def total() -> Decimal | None:
        with tempfile.TemporaryDirectory() as folder:
            engine = create_engine(f"sqlite+aiosqlite:///{Path(folder) / 'ledger.db'}")
            await migrate(engine)
            ledger = Ledger(engine)
            for number, cost in enumerate(amounts):
                await ledger.record(replace(ENTRY, attempt=number, cost_usd=cost))
            found = await ledger.total("exec-1")
            await engine.dispose()
        assert found.total == found.known
        return found.total

    assert asyncio.run(total()) == sum(amounts, Decimal(0))


@pytest.mark.parametrize(
    "cost",
    ["0", "10", "1E+3", "0.10", "0.000000000001", "123456.789012345678"],
)
async def test_an_amount_comes_back_exactly_and_without_a_positive_exponent(
    engine: AsyncEngine, cost: str
) -> None:
    ledger = Ledger(engine)
    await ledger.record(replace(ENTRY, cost_usd=Decimal(cost)))
    (entry,) = await ledger.of_execution("exec-1")
    assert entry.cost_usd == Decimal(cost)
    exponent = entry.cost_usd.as_tuple().exponent
    assert isinstance(exponent, int)
    assert exponent <= 0


async def test_what_is_finer_than_a_picodollar_is_rounded_half_to_even(
    engine: AsyncEngine,
) -> None:
    ledger = Ledger(engine)
    for attempt, cost in enumerate(("0.0000000000005", "0.0000000000015")):
        await ledger.record(replace(ENTRY, attempt=attempt, cost_usd=Decimal(cost)))
    found = [entry.cost_usd for entry in await ledger.of_execution("exec-1")]
    assert found == [0, Decimal("0.000000000002")]
