"""What is read while others write is consistent in itself."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.books import Ledger
from ledger.budgets import Budget, begin_of, end_of, period_of
from ledger.calls import Intent, Sale
from ledger.runs import RunRequest
from settings import BudgetPolicy

UNIT = Decimal(1)
CALLS = 40
RUN = RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", UNIT)
SALE = Sale({"characters": 1}, {"character": "1"}, UNIT, "the test's script")


class Calling:
    """Makes one call after the other, each for one unit."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.begun = 0

    async def all(self) -> None:
        for number in range(CALLS):
            call = f"exec-1/redact/{number}"
            intent = Intent("exec-1", "tenant-1", "redact", "s", "m", call, 1, bound_usd=UNIT)
            await self._ledger.calls.begin(intent)
            self.begun += 1
            await self._ledger.calls.close(intent, SALE, "success")


async def ledger_of(engine: AsyncEngine) -> Ledger:
    ledger = Ledger(engine, Budget(Decimal(50), BudgetPolicy.WARN))
    await ledger.runs.reserve(RUN)
    return ledger


async def test_an_invoice_has_the_sum_of_its_lines_at_every_moment(engine: AsyncEngine) -> None:
    ledger = await ledger_of(engine)
    calling = asyncio.create_task(Calling(ledger).all())
    read = 0
    while not calling.done() or not read:
        invoice = await ledger.reports.invoice("exec-1")
        assert invoice is not None
        known = sum((line.cost_usd or 0 for line in invoice.lines), Decimal(0))
        assert invoice.total.known == known
        is_open = any(line.cost_usd is None for line in invoice.lines)
        assert invoice.total.total == (None if is_open else known)
        read += 1
    await calling


async def test_what_was_begun_is_spent_or_unconfirmed_at_every_moment(engine: AsyncEngine) -> None:
    ledger = await ledger_of(engine)
    work = Calling(ledger)
    calling = asyncio.create_task(work.all())
    month = period_of(datetime.now(UTC))
    begin, end = begin_of(month).date(), end_of(month).date()
    while not calling.done():
        begun = work.begun
        spend = await ledger.reports.spend("tenant-1", begin, end)
        assert spend.unconfirmed_usd is not None
        assert spend.total_usd + spend.unconfirmed_usd >= begun
        assert spend.total_usd <= work.begun
    await calling
