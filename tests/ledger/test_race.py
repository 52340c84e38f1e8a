"""Whoever is first gets it: several processes at once never take more than there is."""

from decimal import Decimal
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent
from ledger.runs import RunRequest
from settings import BudgetPolicy
from tests import rivals
from tests.rivals import Arena

ONE = Decimal(1)
FIFTY = Budget(Decimal(50), BudgetPolicy.HARD_BLOCK)
PROCESSES = 4


def runs(prefix: str, number: int, amount: Decimal = ONE) -> list[RunRequest]:
    return [RunRequest("tenant-1", f"{prefix}-{n}", "race@1", amount) for n in range(number)]


def calls(prefix: str, number: int) -> list[Intent]:
    return [
        Intent(
            *("exec-0", "tenant-1", "step", "scripted", "model-1", f"{prefix}-{n}", 1),
            bound_usd=ONE,
        )
        for n in range(number)
    ]


async def standing(engine: AsyncEngine) -> tuple[Decimal, Decimal]:
    """Return what the month has spent and reserved."""
    ledger = Ledger(engine, FIFTY)
    assert await ledger.reports.verify() == []
    account = await ledger.budgets.account("tenant-1")
    return account.spent_usd, account.reserved_usd


async def test_of_two_hundred_starts_at_once_exactly_fifty_fit(
    database_url: str, engine: AsyncEngine
) -> None:
    arena = Arena(database_url, FIFTY)
    with arena.watched("tenant-1") as watched:
        admitted = arena.race(
            *(partial(rivals.start, runs=runs(f"exec-{n}", 50)) for n in range(PROCESSES))
        )
    assert sum(map(len, admitted)) == 50
    assert await standing(engine) == (Decimal(0), Decimal(50))
    (seen,) = watched
    assert seen.times > 5


async def test_a_run_that_several_start_at_once_is_reserved_once(
    database_url: str, engine: AsyncEngine
) -> None:
    arena = Arena(database_url, FIFTY)
    same = runs("exec", 15, Decimal(5))
    admitted = arena.race(*[partial(rivals.start, runs=same)] * PROCESSES)
    assert len({name for names in admitted for name in names}) == 10
    assert await standing(engine) == (Decimal(0), Decimal(50))


async def test_calls_of_one_run_at_once_never_exceed_its_cap(
    database_url: str, engine: AsyncEngine
) -> None:
    arena = Arena(database_url, Budget(Decimal(50), BudgetPolicy.WARN))
    run = RunRequest("tenant-1", "exec-0", "race@1", ONE, cap_usd=Decimal("5.5"))
    await Ledger(engine, arena.budget).runs.reserve(run)
    first = arena.race(
        *(partial(rivals.begin, intents=calls(f"a-{n}", 5)) for n in range(PROCESSES))
    )
    assert sum(map(len, first)) == 5
    arena.race(*(partial(rivals.close, intents=begun, cost=Decimal("0.5")) for begun in first))
    assert await standing(engine) == (Decimal("2.5"), Decimal(0))
    second = arena.race(
        *(partial(rivals.begin, intents=calls(f"b-{n}", 5)) for n in range(PROCESSES))
    )
    assert sum(map(len, second)) == 3
    assert await standing(engine) == (Decimal("2.5"), Decimal(3))


async def test_everything_at_once_adds_up_and_nobody_waits_for_ever(
    database_url: str, engine: AsyncEngine
) -> None:
    arena = Arena(database_url, FIFTY)
    with arena.watched("tenant-1") as watched:
        sold = arena.race(
            *(
                partial(rivals.muddle, runs=runs("exec", 8), seed=seed, rounds=20)
                for seed in range(PROCESSES)
            )
        )
    assert min(sold) > 0
    spent, reserved = await standing(engine)
    assert 0 < spent <= 50
    assert spent + reserved <= 50
    (seen,) = watched
    assert seen.most > 0
