"""Processes that use one ledger at the same time.

They are forked by a server that has imported everything, so that many are cheap, and wait for each
other before they begin. What they do is a function of this module: `partial(start, names=…)`.
"""

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier, Event
from typing import Any
from zlib import crc32

from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent, Receipt, Sale
from ledger.database import create_engine
from ledger.errors import AttemptTaken, BudgetExceeded
from ledger.runs import RunRequest

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["__main__", "tests.rivals"])
DEADLINE = 60.0  # s

_LOST, _DOUBTFUL, _LAST = 0.1, 0.3, 0.5  # fates of calls, between 0 and 1
_AT_ONCE = 10

Job = Callable[[Ledger], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Arena:
    """Where they meet."""

    url: str
    budget: Budget

    def race(self, *jobs: Job) -> list[Any]:
        """Do jobs at the same time, each in a process of its own; returns what they return."""
        barrier = PROCESSES.Barrier(len(jobs))
        return [join() for join in [self._begin(job, barrier) for job in jobs]]

    @contextmanager
    def watched(self, tenant: str) -> Iterator[list["Watched"]]:
        """Have a process look at a tenant's month all the time; the list is filled at the end."""
        stop, seen = PROCESSES.Event(), list[Watched]()
        begun = PROCESSES.Barrier(2)
        join = self._begin(_Watch(tenant, stop), begun)
        begun.wait(DEADLINE)
        try:
            yield seen
        finally:
            stop.set()
        seen.append(join())

    def _begin(self, job: Job, barrier: Barrier) -> Callable[[], Any]:
        receiver, sender = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=_do, args=(self, job, barrier, sender), daemon=True)
        process.start()
        sender.close()

        def join() -> Any:
            assert receiver.poll(DEADLINE), "a process does not end"
            failure, value = receiver.recv()
            process.join(DEADLINE)
            assert failure is None, failure
            return value

        return join


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of a month: how often, and the most that was taken."""

    times: int
    most: Decimal


@dataclass(frozen=True, slots=True)
class _Watch:
    tenant: str
    stop: Event

    async def __call__(self, ledger: Ledger) -> Watched:
        times, most = 0, Decimal(0)
        while not self.stop.is_set():
            account = await ledger.budgets.account(self.tenant)
            taken = account.spent_usd + account.reserved_usd
            assert taken <= account.budget.limit_usd, account
            assert min(account.spent_usd, account.reserved_usd) >= 0, account
            times, most = times + 1, max(most, taken)
            if times % 5 == 0:
                assert await ledger.reports.verify() == []
        return Watched(times, most)


async def start(ledger: Ledger, *, runs: Iterable[RunRequest]) -> list[str]:
    """Start runs at once, every other one past the door; returns the names of those admitted."""

    async def one(number: int, run: RunRequest) -> str | None:
        try:
            await (ledger.runs.admit if number % 2 else ledger.runs.reserve)(run)
        except BudgetExceeded:
            return None
        return run.execution_id

    names = await asyncio.gather(*(one(number, run) for number, run in enumerate(runs)))
    return [name for name in names if name is not None]


async def begin(ledger: Ledger, *, intents: Iterable[Intent]) -> list[Intent]:
    """Begin calls at once; returns those that may be made."""

    async def one(intent: Intent) -> Intent | None:
        try:
            answer = await ledger.calls.begin(intent)
        except (BudgetExceeded, AttemptTaken):
            return None
        return intent if answer is None else None

    begun = await asyncio.gather(*(one(intent) for intent in intents))
    return [intent for intent in begun if intent is not None]


async def close(ledger: Ledger, *, intents: Iterable[Intent], cost: Decimal) -> None:
    """Close calls at once."""
    sale = Sale({"characters": 7}, {}, cost, "the test")
    closing = (
        ledger.calls.close(intent, sale, "success", receipt=Receipt({"text": "an answer"}))
        for intent in intents
    )
    await asyncio.gather(*closing)


async def muddle(ledger: Ledger, *, runs: Sequence[RunRequest], seed: int, rounds: int) -> int:
    """Do to runs whatever can be done to them, as others do; returns how many calls were sold."""
    dice = random.Random(seed)  # noqa: S311 - no secret

    async def one(number: int) -> bool:
        run, attempt, fate = dice.choice(runs), dice.randint(1, 3), dice.random()
        # Every other call is one that other processes make too: they are zombies of each other.
        call = f"{run.execution_id}/{dice.choice((f'{seed}-{number}', number % 5))}"
        price = Decimal(1 + crc32(f"{call}/{attempt}".encode()) % 20) / 10
        intent = Intent(
            *(run.execution_id, run.tenant_id, "step", "scripted", "model-1", call, attempt),
            bound_usd=price,
        )
        if not await begin(ledger, intents=[intent]) or fate < _LOST:
            return False
        if fate < _DOUBTFUL:
            await ledger.calls.doubt(intent, "timeout")
            return False
        await close(ledger, intents=[intent], cost=price)
        if fate < _LAST:
            await ledger.runs.settle(run.execution_id)
            await ledger.runs.release(run.execution_id)
            await start(ledger, runs=[run])
        await ledger.runs.extend(run.execution_id)
        budget = await ledger.budgets.of_tenant(run.tenant_id)
        await ledger.budgets.set_limit(run.tenant_id, budget.limit_usd)
        return True

    await start(ledger, runs=runs)
    sold = 0
    for first in range(0, rounds, _AT_ONCE):
        sold += sum(await asyncio.gather(*(one(first + n) for n in range(_AT_ONCE))))
    return sold


def _do(arena: Arena, job: Job, barrier: Barrier, sender: Connection) -> None:
    try:
        value = asyncio.run(_work(arena, job, barrier))
    except BaseException:  # noqa: BLE001 - told to the test
        sender.send((traceback.format_exc(), None))
    else:
        sender.send((None, value))


async def _work(arena: Arena, job: Job, barrier: Barrier) -> Any:
    engine = create_engine(arena.url)
    ledger = Ledger(engine, arena.budget)
    await ledger.budgets.account("nobody")  # connect
    barrier.wait(DEADLINE)
    try:
        return await job(ledger)
    finally:
        await engine.dispose()
