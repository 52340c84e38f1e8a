"""How often the ledger writes: each time, a disk is waited for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent, Receipt, Sale
from ledger.errors import BudgetExceeded
from ledger.idempotency import KeyUse
from ledger.runs import RunRequest
from settings import BudgetPolicy

RUN = RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", Decimal(1))
INTENT = Intent(
    "exec-1", "tenant-1", "redact", "scripted", "model-1", "call", 1, bound_usd=Decimal("0.1")
)
SALE = Sale({"characters": 7}, {"character": "0.01"}, Decimal("0.07"), "the test's script")
ANSWER = Receipt({"text": "[NAME] called"})


@dataclass(slots=True)
class Traffic:
    """What an engine has done meanwhile."""

    commits: int = 0
    statements: int = 0


@contextmanager
def traffic(engine: AsyncEngine) -> Iterator[Traffic]:
    counted = Traffic()

    def commit(_connection: Any) -> None:
        counted.commits += 1

    def execute(*_arguments: Any) -> None:
        counted.statements += 1

    event.listen(engine.sync_engine, "commit", commit)
    event.listen(engine.sync_engine, "before_cursor_execute", execute)
    yield counted
    event.remove(engine.sync_engine, "commit", commit)
    event.remove(engine.sync_engine, "before_cursor_execute", execute)


@pytest.mark.parametrize("policy", list(BudgetPolicy))
async def test_two_transactions_a_run_and_two_a_call(
    engine: AsyncEngine, policy: BudgetPolicy
) -> None:
    ledger = Ledger(engine, Budget(Decimal(1), policy))
    with traffic(engine) as run:
        await ledger.runs.reserve(RUN, KeyUse("key", "body"))
        with traffic(engine) as admission:
            await ledger.runs.admit(RUN)
        for number in range(3):
            intent = replace(INTENT, call_id=f"call-{number}")
            with traffic(engine) as call:
                await ledger.calls.begin(intent)
                await ledger.calls.close(intent, SALE, "success", receipt=ANSWER)
            assert call.commits == 2
        await ledger.runs.settle("exec-1")
    assert admission.commits == 0
    assert run.commits == 2 + 3 * 2


async def test_admission_writes_where_the_reservation_is_missing_or_too_low(
    engine: AsyncEngine,
) -> None:
    ledger = Ledger(engine, Budget(Decimal(3), BudgetPolicy.HARD_BLOCK))
    for amount, commits in ((1, 1), (1, 0), (2, 1), (2, 0)):
        with traffic(engine) as admission:
            await ledger.runs.admit(replace(RUN, amount_usd=Decimal(amount)))
        assert admission.commits == commits


async def test_what_is_refused_is_not_written(engine: AsyncEngine) -> None:
    ledger = Ledger(engine, Budget(Decimal("0.5"), BudgetPolicy.SOFT_BLOCK))
    with traffic(engine) as refused, pytest.raises(BudgetExceeded):
        await ledger.runs.reserve(RUN)
    assert refused.commits == 0


async def test_a_total_is_read_at_one_moment(engine: AsyncEngine) -> None:
    """What closes between two statements would be in neither."""
    ledger = Ledger(engine, Budget(Decimal(1), BudgetPolicy.SOFT_BLOCK))
    for read in (ledger.runs.total, ledger.calls.cost):
        with traffic(engine) as reading:
            await read("exec-1")
        assert reading.statements == 1
