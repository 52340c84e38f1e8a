"""What is read again and again does not look at all that has ever been bought."""

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.database import reading
from ledger.runs import RunRequest
from settings import BudgetPolicy

BUDGET = Budget(Decimal(1), BudgetPolicy.SOFT_BLOCK)
Read = Callable[[Ledger], Awaitable[object]]


async def spend(ledger: Ledger) -> object:
    return await ledger.reports.spend("tenant-1", date(2026, 1, 1), date(2026, 2, 1))


READS: dict[str, Read] = {
    "ix_reservations_holding": lambda ledger: ledger.runs.expired(),
    "ix_attempts_undecided": spend,
    "ix_entries_tenant_id_day": spend,
    "ix_entries_execution_id": lambda ledger: ledger.runs.total("exec-1"),
    "ix_attempts_execution_id": lambda ledger: ledger.reports.invoice("exec-1"),
    "ix_receipts_execution_id": lambda ledger: ledger.runs.stored_answers("exec-1"),
}


async def plans(engine: AsyncEngine, read: Read) -> str:
    """Say how the database would do what is read, if it would rather not look at all rows."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        asked.append((statement, values))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    await read(Ledger(engine, BUDGET))
    event.remove(engine.sync_engine, "before_cursor_execute", note)
    is_sqlite = engine.dialect.name == "sqlite"
    found: list[str] = []
    async with reading(engine) as connection:
        if not is_sqlite:
            await connection.exec_driver_sql("SET enable_seqscan = off")
        for statement, values in asked:
            explain = f"EXPLAIN {'QUERY PLAN ' * is_sqlite}{statement}"
            rows = await connection.exec_driver_sql(explain, values)
            found += (str(row) for row in rows)
    return "\n".join(found)


async def test_every_index_is_used(engine: AsyncEngine) -> None:
    run = RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", Decimal(0))
    await Ledger(engine, BUDGET).runs.reserve(run)
    for index, read in READS.items():
        assert index in await plans(engine, read)
