"""`perdure budget verify`: whether the ledger of these settings adds up."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent, Sale
from ledger.database import create_engine, prepare_database
from ledger.runs import RunRequest
from settings import BudgetPolicy
from tests.postgres import PostgresServer
from tests.unit.cli.surroundings import run_perdure, surroundings

RUN = RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", Decimal(1))
INTENT = Intent("exec-1", "tenant-1", "redact", "scripted", "model-1", "exec-1/redact/0", 1)
SALE = Sale({"characters": 7}, {"character": "0.1"}, Decimal("0.7"), "the test's script")


@pytest.fixture(autouse=True)
def _nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with surroundings(tmp_path, monkeypatch):
        yield


@pytest.fixture
def database() -> Path:
    """A database where the settings look for it, with a run."""
    path = Path(".perdure/perdure.db")
    asyncio.run(fill(f"sqlite+aiosqlite:///{path}"))
    return path


async def fill(url: str) -> None:
    await prepare_database(url)
    engine = create_engine(url)
    ledger = Ledger(engine, Budget(Decimal(50), BudgetPolicy.SOFT_BLOCK))
    await ledger.runs.reserve(RUN)
    await ledger.calls.begin(INTENT)
    await ledger.calls.close(INTENT, SALE, "success")
    await engine.dispose()


@pytest.mark.usefixtures("database")
def test_figures_that_add_up_are_counted() -> None:
    done = run_perdure("budget", "verify")
    assert (done.exit_code, done.stdout) == (0, "4 figures add up\n")
    body = json.loads(run_perdure("budget", "verify", "--json").stdout)
    assert body == {"ok": True, "figures": 4, "discrepancies": []}


def test_every_figure_that_is_wrong_is_told(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE reservations SET spent_usd = spent_usd + 1")
        connection.execute("UPDATE periods SET reserved_usd = 0, period = '2026-01'")
        connection.commit()
    done = run_perdure("budget", "verify")
    assert done.exit_code == 1
    *lines, last = done.stdout.splitlines()
    assert lines[0] == "tenant-1, 2026-01: spent_usd is kept as $0.70, the sum is $0.00"
    assert "tenant-1, exec-1: spent_usd is kept as $0.700000000001, the sum is $0.70" in lines
    assert last == f"{len(lines)} of 6 figures do not add up"
    done = run_perdure("budget", "verify", "--json")
    body = json.loads(done.stdout)
    assert (done.exit_code, body["ok"], body["figures"]) == (1, False, 6)
    assert body["discrepancies"][0] == {
        "tenant_id": "tenant-1",
        "account": "2026-01",
        "figure": "spent_usd",
        "booked_usd": "0.7",
        "summed_usd": "0",
    }


def test_where_there_is_no_database_none_is_made(tmp_path: Path) -> None:
    done = run_perdure("budget", "verify")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "error: there is no database at .perdure/perdure.db; "
        "AI_DATA_DIR or AI_DATABASE_URL says where\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_tables_that_are_not_up_to_date_are_not_migrated(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0002'")
        connection.commit()
    done = run_perdure("budget", "verify")
    assert done.exit_code == 2
    assert done.stderr == "error: the tables are not up to date: run `perdure db upgrade`\n"


def test_what_is_no_database_is_one_line(database: Path) -> None:
    database.write_bytes(b"no database" * 1000)
    done = run_perdure("budget", "verify")
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert done.stderr.startswith("error: AI_DATABASE_URL: ")


def test_a_ledger_in_postgresql_is_held_against_its_sums_too(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.database() as url:
        monkeypatch.setenv("AI_DATABASE_URL", url)
        asyncio.run(fill(url))
        done = run_perdure("budget", "verify")
        assert (done.exit_code, done.stdout) == (0, "4 figures add up\n"), done.output
