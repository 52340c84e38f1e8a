"""Processes that die while they use the ledger, each at a point of its own.

A point is the moment before a statement is sent, before a transaction is committed, or after all of
it, before anybody hears of it. Whoever dies does so as by the kernel's hand.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent, Receipt, Sale
from ledger.database import create_engine
from ledger.idempotency import KeyUse
from ledger.runs import RunRequest
from settings import BudgetPolicy
from tests.rivals import PROCESSES

Step = Callable[[Ledger, str], Awaitable[object]]

PRICE = Decimal("0.7")
SALE = Sale({"characters": 7}, {"character": "0.1"}, PRICE, "the test")
_ANSWER = Receipt({"text": "an answer"})


def ledger_of(engine: AsyncEngine, **options: Any) -> Ledger:
    """Return a ledger whose leases are over at once."""
    budget = Budget(Decimal(2), BudgetPolicy.HARD_BLOCK)
    return Ledger(engine, budget, lease=timedelta(0), **options)


def run_of(tenant: str) -> RunRequest:
    return RunRequest(tenant, f"{tenant}-exec", "victim@1", Decimal(1))


def intent_of(tenant: str, call: str = "call", attempt: int = 1) -> Intent:
    name = f"{tenant}-exec"
    return Intent(
        *(name, tenant, "step", "scripted", "model-1", f"{name}/{call}", attempt),
        bound_usd=Decimal("0.9"),
    )


async def reserve(ledger: Ledger, tenant: str) -> None:
    await ledger.runs.reserve(run_of(tenant), KeyUse(f"{tenant}-key", "body"))


async def begin(ledger: Ledger, tenant: str) -> None:
    await ledger.calls.begin(intent_of(tenant))


async def begin_other(ledger: Ledger, tenant: str) -> None:
    await ledger.calls.begin(intent_of(tenant, "other"))


async def begin_again(ledger: Ledger, tenant: str) -> None:
    await ledger.calls.begin(intent_of(tenant, attempt=2))


async def answer(ledger: Ledger, tenant: str) -> None:
    await ledger.calls.close(intent_of(tenant), SALE, "success", receipt=_ANSWER)


async def settle(ledger: Ledger, tenant: str) -> None:
    await ledger.runs.settle(f"{tenant}-exec")


async def release(ledger: Ledger, tenant: str) -> None:
    await ledger.runs.release(f"{tenant}-exec")


OPERATIONS: Mapping[str, tuple[Step, ...]] = {
    "reserve": (reserve,),
    "begin": (reserve, begin),
    "begin_again": (reserve, begin, begin_again),
    "answer": (reserve, begin, answer),
    "settle": (reserve, begin, answer, begin_other, settle),
    "release": (reserve, begin, answer, begin_other, release),
}
"""What came before, and the operation that is interrupted."""


@contextmanager
def at_each_point(engine: AsyncEngine, visit: Callable[[], None]) -> Iterator[None]:
    """Call a function at each point of what is done with an engine, the last one too."""

    def on_event(*_arguments: Any) -> None:
        visit()

    names = ("before_cursor_execute", "commit")
    for name in names:
        event.listen(engine.sync_engine, name, on_event)
    yield
    visit()
    for name in names:
        event.remove(engine.sync_engine, name, on_event)


async def count_points(engine: AsyncEngine, step: Step, tenant: str) -> int:
    """Do something undisturbed; returns at how many points one could have died."""
    points = 0

    def visit() -> None:
        nonlocal points
        points += 1

    with at_each_point(engine, visit):
        await step(ledger_of(engine), tenant)
    return points


def die_at(url: str, operation: str, tenant: str, point: int) -> BaseProcess:
    """Begin a process that does the operation and dies at one of its points, from 1."""
    process = PROCESSES.Process(target=_die, args=(url, operation, tenant, point), daemon=True)
    process.start()
    return process


@dataclass(frozen=True, slots=True)
class Buyer:
    """A process that buys as fast as it can, and tells each call that is accounted for."""

    tenant: str
    process: BaseProcess
    receiver: Connection

    @classmethod
    def begin(cls, url: str, tenant: str) -> "Buyer":
        """Begin it."""
        receiver, sender = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=_buy, args=(url, tenant, sender), daemon=True)
        process.start()
        sender.close()
        return cls(tenant, process, receiver)

    def kill(self, after: int) -> list[str]:
        """Kill it once so many calls are accounted for; returns all that it has told."""
        told = [self.receiver.recv() for _ in range(after)]
        self.process.kill()
        self.process.join()
        while True:
            try:
                told.append(self.receiver.recv())
            except EOFError:
                return told


def _die(url: str, operation: str, tenant: str, point: int) -> None:
    points = count(1)

    def visit() -> None:
        if next(points) == point:
            os.kill(os.getpid(), signal.SIGKILL)

    async def work() -> None:
        engine = create_engine(url)
        ledger = ledger_of(engine)
        await ledger.budgets.account(tenant)  # connect
        with at_each_point(engine, visit):
            await OPERATIONS[operation][-1](ledger, tenant)

    asyncio.run(work())


def _buy(url: str, tenant: str, sender: Connection) -> None:
    async def work() -> None:
        ledger = ledger_of(create_engine(url))
        for number in count():
            intent = replace(intent_of(tenant, str(number)), bound_usd=Decimal("0.0007"))
            await ledger.calls.begin(intent)
            sale = replace(SALE, cost_usd=Decimal("0.0007"))
            await ledger.calls.close(intent, sale, "success", receipt=_ANSWER)
            sender.send(intent.call_id)

    asyncio.run(work())
