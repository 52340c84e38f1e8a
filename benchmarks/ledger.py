"""How fast the ledger books: `python -m benchmarks.ledger`.

On SQLite and on PostgreSQL, both as they are installed and with every commit on the disk; with 1, 8
and 32 writers in one process, and with 8 in four processes. All of them book for one tenant under a
hard limit, so that all change the same month's row: nothing is slower.

- Runs: reserve and settle, two transactions.
- Calls: begin and close with an answer of a kilobyte, two transactions.

Beside them a table without anything, with one `INSERT` a transaction, written by as many writers to
the same database in the same minute. A writer's wait for the others is part of its time.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.postgres import postgres_server
from benchmarks.result import CannotMeasure, Result, show
from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.calls import Intent, Receipt, Sale
from ledger.database import create_engine, migrate, writing
from ledger.runs import RunRequest
from settings import BudgetPolicy

_MILLI = 1e3
_WRITERS = (1, 8, 32)
_PROCESSES = 4

# Twenty one-step runs a second, of four transactions each.
_GOAL_PER_SECOND = 80
_GOAL_P99_MS = {1: 100, 8: 500, 32: 1500}

_TENANT = "benchmark"
_PRICE = Decimal("0.0001")
_SALE = Sale({"characters": 7}, {"character": "0.00001"}, _PRICE, "the benchmark")
_ANSWER = Receipt({"text": "x" * 1000})

Operation = Callable[[int], Awaitable[object]]
"""Takes the writer's number."""


@dataclass(frozen=True, slots=True)
class Load:
    """What writers have got done.

    Attributes:
        transactions: How many in each operation.
        seconds: From the first to the last.
        times: Of each operation, in seconds.
    """

    transactions: int
    seconds: float
    times: Sequence[float]

    @property
    def per_second(self) -> float:
        """Transactions."""
        return self.transactions * len(self.times) / self.seconds

    @property
    def p99_ms(self) -> float:
        """What one operation in a hundred takes longer than."""
        return sorted(self.times)[int(len(self.times) * 0.99)] * _MILLI


def benchmark(*, quick: bool = False) -> Iterator[Result]:
    """Measure everything.

    Args:
        quick: Measure a moment of it on SQLite, to see that it works; the figures mean little.
    """
    seconds, writers = (0.05, (1, 8)) if quick else (1.2, _WRITERS)
    with tempfile.TemporaryDirectory(prefix="perdure-ledger-") as folder:
        url = f"sqlite+aiosqlite:///{Path(folder) / 'ledger.db'}"
        yield from _results("SQLite", url, writers, seconds)
        if quick:
            return
        yield from _of_processes("SQLite", url, seconds)
    with _postgres() as url:
        yield from _results("PostgreSQL", url, writers, seconds)
        yield from _of_processes("PostgreSQL", url, seconds)


@contextmanager
def _postgres() -> Iterator[str]:
    try:
        import asyncpg  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise CannotMeasure("PostgreSQL's driver is not installed: asyncpg") from None
    with postgres_server() as url:
        yield url


def _results(database: str, url: str, writers: Sequence[int], seconds: float) -> Iterator[Result]:
    for number in writers:
        loads = asyncio.run(_measure(url, number, seconds))
        yield from _compare(f"{database}, {number} writer{'s' * (number > 1)}", number, loads)


def _of_processes(database: str, url: str, seconds: float) -> Iterator[Result]:
    """Measure writers that share no more than the database."""
    each = _WRITERS[1] // _PROCESSES
    with ProcessPoolExecutor(_PROCESSES, get_context("spawn")) as pool:
        begun = [pool.submit(_measure_here, url, each, seconds) for _ in range(_PROCESSES)]
        found = [future.result() for future in begun]
    loads = {
        kind: Load(
            found[0][kind].transactions,
            max(one[kind].seconds for one in found),
            [time for one in found for time in one[kind].times],
        )
        for kind in found[0]
    }
    name = f"{database}, {_WRITERS[1]} writers in {_PROCESSES} processes"
    yield from _compare(name, _WRITERS[1], loads)


def _measure_here(url: str, writers: int, seconds: float) -> Mapping[str, Load]:
    return asyncio.run(_measure(url, writers, seconds))


def _compare(name: str, writers: int, loads: Mapping[str, Load]) -> Iterator[Result]:
    bare = loads["bare"]
    for kind in ("runs", "calls"):
        load = loads[kind]
        note = (
            f"{load.per_second / bare.per_second:.2f} of the {bare.per_second:.0f} a second of a "
            f"bare INSERT; its p99 is {load.p99_ms / bare.p99_ms:.1f} times the {bare.p99_ms:.1f} "
            "ms of that"
        )
        yield Result.at_least(f"{name}: {kind}", _GOAL_PER_SECOND, load.per_second, "tx/s", note)
        yield Result.at_most(f"{name}: {kind}, p99", _GOAL_P99_MS[writers], load.p99_ms, "ms")


async def _measure(url: str, writers: int, seconds: float) -> Mapping[str, Load]:
    engine = create_engine(url)
    await migrate(engine)
    operations = await _operations(engine, writers)
    loads = {}
    for kind, (transactions, operation) in operations.items():
        await operation(0)  # compiles statements
        loads[kind] = await _load(operation, transactions, writers, seconds)
    await engine.dispose()
    return loads


async def _operations(engine: AsyncEngine, writers: int) -> Mapping[str, tuple[int, Operation]]:
    ledger = Ledger(engine, Budget(Decimal(1_000_000), BudgetPolicy.HARD_BLOCK))
    ours, numbers = uuid4().hex[:8], count()
    async with writing(engine) as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS bare (number INTEGER)"))
    runs = [RunRequest(_TENANT, f"{ours}-{n}", "benchmark@1", _PRICE) for n in range(writers)]
    for run in runs:
        await ledger.runs.reserve(run)

    async def insert(_writer: int) -> None:
        async with writing(engine) as connection:
            await connection.execute(text("INSERT INTO bare VALUES (1)"))

    async def book_run(_writer: int) -> None:
        name = f"{ours}-run-{next(numbers)}"
        await ledger.runs.reserve(RunRequest(_TENANT, name, "benchmark@1", _PRICE))
        await ledger.runs.settle(name)

    async def book_call(writer: int) -> None:
        name = runs[writer].execution_id
        intent = Intent(
            *(name, _TENANT, "step", "provider", "model", f"{name}/{next(numbers)}", 1),
            bound_usd=_PRICE,
        )
        await ledger.calls.begin(intent)
        await ledger.calls.close(intent, _SALE, "success", receipt=_ANSWER)

    return {"bare": (1, insert), "runs": (2, book_run), "calls": (2, book_call)}


async def _load(operation: Operation, transactions: int, writers: int, seconds: float) -> Load:
    times: list[float] = []
    begin = time.perf_counter()

    async def write(number: int) -> None:
        while (begun := time.perf_counter()) < begin + seconds:
            await operation(number)
            times.append(time.perf_counter() - begun)

    await asyncio.gather(*(write(number) for number in range(writers)))
    return Load(transactions, time.perf_counter() - begin, times)


if __name__ == "__main__":
    show(list(benchmark()))
