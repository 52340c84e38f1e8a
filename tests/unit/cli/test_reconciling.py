"""`perdure budget reconcile`: what a provider's books say is booked once."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.database import create_engine, prepare_database
from settings import Settings
from tests.unit.cli.surroundings import run_perdure, surroundings
from tests.unit.cli.test_verifying import INTENT, RUN

CALL = INTENT.call_id


@pytest.fixture(autouse=True)
def _a_run_with_an_attempt_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    with surroundings(tmp_path, monkeypatch):
        asyncio.run(fill())
        yield


async def fill() -> None:
    settings = Settings()
    await prepare_database(settings.database_url)
    engine = create_engine(settings.database_url)
    ledger = Ledger(engine, Budget.of(settings))
    await ledger.runs.reserve(RUN)
    await ledger.calls.begin(INTENT)
    await ledger.calls.doubt(INTENT, "timeout")
    await engine.dispose()


async def total() -> str:
    settings = Settings()
    engine = create_engine(settings.database_url)
    invoice = await Ledger(engine, Budget.of(settings)).reports.invoice("exec-1")
    await engine.dispose()
    assert invoice is not None
    return str(invoice.total.total)


@pytest.mark.parametrize(
    ("option", "expected"), [(["--cost", "0.25"], "0.25"), (["--unsold"], "0")]
)
def test_what_the_books_say_is_booked_once(option: list[str], expected: str) -> None:
    assert asyncio.run(total()) == "None"
    done = run_perdure("budget", "reconcile", CALL, "1", *option, "--json")
    assert json.loads(done.stdout) == {"call_id": CALL, "attempt": 1, "cost_usd": expected}
    assert asyncio.run(total()) == expected
    again = run_perdure("budget", "reconcile", CALL, "1", *option)
    assert again.exit_code == 2
    assert "no unconfirmed attempt 1" in again.stderr
    assert run_perdure("budget", "verify").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([CALL, "1"], "say one of --cost USD and --unsold"),
        ([CALL, "1", "--cost", "1", "--unsold"], "say one of"),
        ([CALL, "1", "--cost", "much"], "--cost takes USD, such as 0.0123"),
        ([CALL, "1", "--cost", "-1"], "--cost takes USD"),
        ([CALL, "2", "--unsold"], "no unconfirmed attempt 2"),
    ],
)
def test_what_can_not_be_meant_is_told_in_one_line(arguments: list[str], told: str) -> None:
    done = run_perdure("budget", "reconcile", *arguments)
    assert done.exit_code == 2
    assert told in done.stderr
