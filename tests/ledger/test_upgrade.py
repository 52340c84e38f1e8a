"""A database of the time before there was money goes on: its runs are settled, and add up."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.database import create_engine, migrate
from settings import ROOT, BudgetPolicy

_OLD = "0002"


def _upgrade_to_old(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "ledger" / "migrations"))
    script = ScriptDirectory.from_config(config)
    context = MigrationContext.configure(
        connection, opts={"fn": lambda revision, _: script._upgrade_revs(_OLD, revision)}
    )
    with Operations.context(context):
        context.run_migrations()


async def test_runs_of_an_older_database_are_settled_and_add_up(new_database_url: str) -> None:
    old = create_engine(new_database_url)
    if old.dialect.name == "sqlite":
        Path(str(old.url.database)).parent.mkdir(parents=True, exist_ok=True)
    async with old.begin() as connection:
        await connection.run_sync(_upgrade_to_old)
        for attempt, cost in ((1, None), (2, 700_000_000_000)):
            await connection.execute(
                text(
                    "INSERT INTO entries (tenant_id, execution_id, pipeline, step, provider, "
                    "model, call_id, attempt, usage, cost_usd, price_source, created_at) VALUES "
                    "('t', 'exec-1', 'p@1.0.0', 's', 'x', 'm', 'c', :attempt, '{}', :cost, "
                    "'list', :at)"
                ),
                {"attempt": attempt, "cost": cost, "at": datetime(2026, 10, 31, 23, 0, tzinfo=UTC)},
            )
    await migrate(old)
    ledger = Ledger(old, Budget(Decimal(100), BudgetPolicy.SOFT_BLOCK))
    assert await ledger.reports.verify() == []
    invoice = await ledger.reports.invoice("exec-1")
    assert invoice is not None
    assert [(line.attempt, line.cost_usd) for line in invoice.lines] == [
        (1, None),
        (2, Decimal("0.7")),
    ]
    assert (await ledger.budgets.account("t", "2026-10")).spent_usd == Decimal("0.7")
    await old.dispose()
