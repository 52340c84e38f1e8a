"""What was paid is what is booked, also when workers die at the worst moment."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Sale
from ledger.database import create_engine, reading
from ledger.tables import attempts, entries
from ledger.totals import is_doubtful
from providers.simulated_books import SimulatedBooks
from settings import BudgetPolicy
from tests.product import Product, perdure_dev, wait_until

SOLD_BY_THE_CHARACTER = (
    '[{"name": "sim", "quality_tier": "premium", "cost_unit": "character", "price": "0.001",'
    ' "script": [{"do": "answer", "seconds": 1.5}]}]'
)
TEXT = "Jane called"


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    settings = {"AI_SIMULATED_PROVIDERS": SOLD_BY_THE_CHARACTER}
    with perdure_dev(tmp_path, settings) as running:
        yield running


@pytest.fixture
def books(product: Product) -> Iterator[SimulatedBooks]:
    books = SimulatedBooks(product.data / "simulated.db")
    yield books
    books.close()


def execute(product: Product) -> str:
    body = {"pipeline_name": "pii_detection", "input_data": {"text": TEXT}}
    answer = product.http.post("/execute", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["execution_id"])


def spent(product: Product) -> Decimal:
    return Decimal(product.http.get("/budget/status").json()["spent_usd"])


def lines_of(product: Product, execution_id: str) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = product.http.get(f"/{execution_id}/costs").json()["lines"]
    return lines


def test_what_was_sold_lies_between_confirmed_and_unconfirmed_and_is_equal_once_reconciled(
    product: Product, books: SimulatedBooks
) -> None:
    executions = [execute(product) for _ in range(6)]
    wait_until(lambda: len(books.sales()) >= 3, "some sales")
    product.kill("worker")
    for execution_id in executions:
        assert product.result(execution_id)["success"]
    spend = product.http.get("/budget/spend").json()
    confirmed, sold = Decimal(spend["total_usd"]), books.total()
    unconfirmed = [
        line
        for execution_id in executions
        for line in lines_of(product, execution_id)
        if line["state"] == "unconfirmed"
    ]
    assert unconfirmed, "nobody was killed between acceptance and receipt"
    assert confirmed < sold <= confirmed + len(unconfirmed) * Decimal("0.011")
    asyncio.run(reconcile(product.data / "perdure.db", books))
    assert spent(product) == books.total()
    assert product.http.get("/budget/status").json()["reserved_usd"] == "0"
    costs = [product.http.get(f"/{one}/costs").json()["total_cost_usd"] for one in executions]
    assert sum(map(Decimal, costs)) == books.total()


async def reconcile(database: Path, books: SimulatedBooks) -> None:
    """Tell the ledger what the provider has in its books of every attempt that is in doubt."""
    engine = create_engine(f"sqlite+aiosqlite:///{database}")
    ledger = Ledger(engine, Budget(Decimal(100), BudgetPolicy.SOFT_BLOCK))
    async with reading(engine) as connection:
        doubtful = (await connection.execute(select(attempts).where(is_doubtful()))).all()
        booked = [*(await connection.execute(select(entries.c.call_id))).scalars()]
    for attempt in doubtful:
        sales = list(books.sales(attempt.call_id))
        unbooked = len(sales) - booked.count(attempt.call_id)
        sale = None
        if unbooked > 0:
            cost = sales[0].cost_usd
            sale = Sale({"characters": len(TEXT)}, {"character": "0.001"}, cost, "its books")
            booked.append(attempt.call_id)
        assert await ledger.calls.reconcile(attempt.call_id, attempt.attempt, sale)
    assert await ledger.reports.verify() == []
    await engine.dispose()
