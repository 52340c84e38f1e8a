"""The books of simulated providers: who asked, what was sold, in a file that outlives processes.

Nothing in them is ever changed. A request is noted before anything else happens, with the whole of
what the answer sells where it is accepted; how it ended is a note of its own. A sale without such
a note is one whose buyer died, or still waits: it counts whole.

A killed process loses nothing that it noted; what a power cut may lose is of no use to a
simulation, and not waiting for the disk makes it fit for benchmarks.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from providers.types import Capability, Usage

FILE_NAME = "simulated.db"
"""In `AI_DATA_DIR`."""

# s: how long one try waits for writers in other processes; who writes tries again.
_BUSY_TIMEOUT = 0.2
_TRIES = 50
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PRIMARY_CODE = 0xFF

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    provider TEXT NOT NULL,
    call_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    sale INTEGER,
    capability TEXT NOT NULL,
    model TEXT NOT NULL,
    act TEXT NOT NULL,
    usage TEXT,
    prices TEXT NOT NULL,
    cost_usd TEXT NOT NULL,
    at TEXT NOT NULL,
    UNIQUE (call_id, provider, attempt),
    UNIQUE (call_id, provider, sale)
);
CREATE TABLE IF NOT EXISTS events (
    request_id INTEGER PRIMARY KEY REFERENCES requests (id),
    kind TEXT NOT NULL,
    usage TEXT NOT NULL,
    cost_usd TEXT NOT NULL,
    at TEXT NOT NULL
);
""" + "".join(
    f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'nothing in the books is changed'); END;"
    for table in ("requests", "events")
    for verb in ("update", "delete")
)
_SELECT = """
SELECT r.*, e.kind AS ended, e.usage AS sold_usage, e.cost_usd AS sold_usd, e.at AS ended_at
FROM requests r LEFT JOIN events e ON e.request_id = r.id
"""


class BooksBusy(Exception):
    """Others are writing; try again."""


class Ending(StrEnum):
    """How a sale ended."""

    ANSWERED = "answered"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a provider makes of a request.

    Attributes:
        act: In the script's word.
        usage: What the whole answer sells; None where the request is turned down.
        cost_usd: What that costs.
    """

    act: str
    usage: Usage | None = None
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that has come."""

    provider: str
    call_id: str
    capability: Capability
    model: str
    prices: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Request:
    """A request in the books.

    Attributes:
        attempt: Its number among the requests of this call to this provider, from 1.
        sale: Its number among those that were accepted, from 1: a 2 is a second sale of the same
            call. None where it was turned down.
        act: What the script made of it.
        usage: What was sold: the part that had been produced, where the sale was aborted; None
            where nothing was.
        prices: Exact, by the words of `AI_SIMULATED_PROVIDERS`.
        cost_usd: What that costs; 0 where nothing was sold.
        ended: None while it is under way, and for ever where the process was killed.
    """

    id: int
    provider: str
    call_id: str
    attempt: int
    sale: int | None
    capability: Capability
    model: str
    act: str
    usage: Usage | None
    prices: Mapping[str, Decimal]
    cost_usd: Decimal
    at: datetime
    ended: Ending | None
    ended_at: datetime | None


class SimulatedBooks:
    """The books in a file, for any number of threads and processes at once."""

    def __init__(self, path: Path) -> None:
        """Take the file; only a provider that is asked makes it."""
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def take(self, arrival: Arrival, decide: Callable[[int], Verdict]) -> Request:
        """Note a request, with what its provider makes of it.

        Args:
            arrival: Who is asked for what.
            decide: Takes the number of the attempt at the call, from 1.

        Raises:
            BooksBusy: Nothing was noted.
        """
        with self._writing() as connection:
            key = (arrival.call_id, arrival.provider)
            before = connection.execute(
                "SELECT count(*), count(sale) FROM requests WHERE call_id = ? AND provider = ?", key
            ).fetchone()
            attempt, sales = before[0] + 1, before[1]
            verdict = decide(attempt)
            added = connection.execute(
                "INSERT INTO requests (provider, call_id, attempt, sale, capability, model, act,"
                " usage, prices, cost_usd, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    arrival.provider,
                    arrival.call_id,
                    attempt,
                    None if verdict.usage is None else sales + 1,
                    arrival.capability,
                    arrival.model,
                    verdict.act,
                    None if verdict.usage is None else _write_usage(verdict.usage),
                    json.dumps({name: f"{price:f}" for name, price in arrival.prices.items()}),
                    f"{verdict.cost_usd:f}",
                    _now(),
                ),
            )
            row = connection.execute(f"{_SELECT} WHERE r.id = ?", (added.lastrowid,)).fetchone()
        return _read(row)

    def end(self, request: Request, kind: Ending, usage: Usage, cost_usd: Decimal) -> None:
        """Note how a sale ended, and what was really sold.

        Raises:
            BooksBusy: Nothing was noted.
        """
        with self._writing() as connection:
            connection.execute(
                "INSERT INTO events (request_id, kind, usage, cost_usd, at) VALUES (?, ?, ?, ?, ?)",
                (request.id, kind, _write_usage(usage), f"{cost_usd:f}", _now()),
            )

    def requests(self, call_id: str | None = None) -> Sequence[Request]:
        """List all requests, or those of a call, in the order in which they came."""
        if not self._path.exists():
            return []
        where, key = ("", ()) if call_id is None else (" WHERE r.call_id = ?", (call_id,))
        tries = range(_TRIES)
        for each in tries:
            try:
                with self._opened() as connection:
                    rows = connection.execute(f"{_SELECT}{where} ORDER BY r.id", key).fetchall()
                break
            except BooksBusy:  # somebody is just making the file
                if each == tries[-1]:
                    raise
        return [_read(row) for row in rows]

    def sales(self, call_id: str | None = None) -> Sequence[Request]:
        """List the requests that were accepted, all or those of a call."""
        return [one for one in self.requests(call_id) if one.sale is not None]

    def sold(self, call_id: str) -> Decimal:
        """Add up what was sold to a call, in USD."""
        return sum((sale.cost_usd for sale in self.sales(call_id)), Decimal(0))

    def total(self) -> Decimal:
        """Add up all that was sold, in USD."""
        return sum((sale.cost_usd for sale in self.sales()), Decimal(0))

    def close(self) -> None:
        """Close the file; whatever is asked next opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = _open(self._path)
                yield self._connection
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & _PRIMARY_CODE in _BUSY:
                    raise BooksBusy from error
                raise


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
    )
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _read(row: sqlite3.Row) -> Request:
    usage = row["sold_usage"] or row["usage"]
    return Request(
        id=row["id"],
        provider=row["provider"],
        call_id=row["call_id"],
        attempt=row["attempt"],
        sale=row["sale"],
        capability=Capability(row["capability"]),
        model=row["model"],
        act=row["act"],
        usage=None if usage is None else Usage.model_validate_json(usage),
        prices=_read_prices(row["prices"]),
        cost_usd=Decimal(row["sold_usd"] or row["cost_usd"]),
        at=datetime.fromisoformat(row["at"]),
        ended=None if row["ended"] is None else Ending(row["ended"]),
        ended_at=None if row["ended_at"] is None else datetime.fromisoformat(row["ended_at"]),
    )


def _read_prices(text: str) -> Mapping[str, Decimal]:
    prices: dict[str, Any] = json.loads(text)
    return {name: Decimal(price) for name, price in prices.items()}


def _write_usage(usage: Usage) -> str:
    return usage.model_dump_json(exclude_none=True)


def _now() -> str:
    return datetime.now(UTC).isoformat()
