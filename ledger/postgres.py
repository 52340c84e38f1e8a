"""PostgreSQL: how we connect to it, how long we wait for it, and what its errors mean.

Nothing waits for ever, and what the server's administrator has set as a default changes nothing
here. The server ends a statement, a wait for a lock and a transaction that its process has left
alone (one that is stopped between two statements would keep everybody else from the tenant's
money). We end the wait for a server that says nothing at all: a connection may be dead without
anybody having closed it.

The driver tells a server that is away, or busy, in a dozen ways, some of which SQLAlchemy does not
take for errors of a database. All of them become `OperationalError`: try again later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from sqlalchemy import URL, AdaptedConnection, Connection, Dialect, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

POOL_SIZE = 10
"""How many connections a process has at most."""

_MIGRATION_LOCK = int.from_bytes(b"perdure\0")
_USED = "perdure_used"

# Of SQLSTATE (PostgreSQL 15, appendix A): connection lost, transaction rolled back by the server
# (deadlock), out of connections or disk, ended by an operator or a timeout.
_PASSING_CLASSES = {"08", "40", "53", "57"}
_PASSING_STATES = {"55P03", "25P03"}  # a lock's timeout, an idle transaction's


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait, in seconds.

    Attributes:
        connection: For a connection to be made.
        lock: For others to end their transactions; as long as SQLite waits.
        statement: For one statement.
        idle: Between two statements of a transaction. Less than `lock`: who waits for one that is
            stopped then gets its turn.
        answer: For a server that says nothing.
        trial: The same, when a connection is tried; that is done before its use when nobody has
            used it for as long.
    """

    connection: float = 10.0
    lock: float = 10.0
    statement: float = 30.0
    idle: float = 5.0
    answer: float = 35.0
    trial: float = 5.0


MIGRATING = Patience(statement=3600.0, idle=3600.0, answer=3605.0)
"""A table with millions of rows may have to be written anew."""


def create_postgres_engine(url: URL, patience: Patience) -> AsyncEngine:
    """Make the engine; connects on first use."""
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=patience.connection,
        connect_args={
            "timeout": patience.connection,
            "command_timeout": patience.answer,
            "server_settings": {
                "application_name": "perdure",
                "timezone": "UTC",
                "datestyle": "ISO",
                "default_transaction_isolation": "read committed",
                "statement_timeout": _milliseconds(patience.statement),
                "lock_timeout": _milliseconds(patience.lock),
                "idle_in_transaction_session_timeout": _milliseconds(patience.idle),
            },
        },
    )
    event.listen(engine.sync_engine, "do_connect", _connect)
    event.listen(engine.sync_engine, "checkout", _trial(patience.trial))
    event.listen(engine.sync_engine, "handle_error", _translate)
    return engine


def wait_for_migrations(connection: Connection) -> None:
    """Let one process migrate at a time, in this transaction; the others then find it done.

    They wait for it up to an hour. For a table that others use it waits no longer than
    anybody: whoever wants the table now waits behind it.
    """
    patience = connection.exec_driver_sql("SHOW lock_timeout").scalar_one()
    connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{patience}'")


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))


def _connect(
    dialect: Dialect, _entry: ConnectionPoolEntry, arguments: list[Any], options: dict[str, Any]
) -> Any:
    """Connect; SQLAlchemy would let errors of the network through as they are."""
    driver: Any = dialect.loaded_dbapi
    try:
        return dialect.connect(*arguments, **options)
    except (OSError, driver.Error) as error:
        raise driver.OperationalError(str(error) or "no answer", error) from error


def _trial(seconds: float) -> Callable[[AdaptedConnection, ConnectionPoolEntry, object], None]:
    """Have another connection made where one has died since it was used."""

    def look(connection: AdaptedConnection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        now, driver = monotonic(), connection.driver_connection
        used = entry.info.get(_USED, now)
        entry.info[_USED] = now
        if driver.is_closed():
            raise DisconnectionError
        if now - used < seconds:
            return
        try:
            connection.run_async(lambda driver: driver.fetchrow(";", timeout=seconds))
        except Exception as error:  # the driver's own, whichever
            raise DisconnectionError from error

    return look


def _translate(context: ExceptionContext) -> Exception | None:
    """Make one error of all that will pass; a cancellation is none."""
    error = context.original_exception
    if not isinstance(error, Exception):
        return None
    state = str(getattr(error, "sqlstate", None))
    passing = state[:2] in _PASSING_CLASSES or state in _PASSING_STATES
    if not (context.is_disconnect or passing or isinstance(error, OSError)):
        return None
    return OperationalError(
        context.statement,
        None,
        error if str(error) else TimeoutError("no answer"),
        hide_parameters=True,
        connection_invalidated=context.is_disconnect,
    )
