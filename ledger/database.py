"""The database: engine, transactions, migrations.

SQLite's driver opens transactions lazily and as readers, which makes two writers fail instead of
wait. Here every transaction is begun explicitly with `BEGIN IMMEDIATE`, so that writers queue up,
and plain reads run outside of transactions. What is particular to PostgreSQL stands in
`ledger.postgres`.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    URL,
    AdaptedConnection,
    BigInteger,
    Connection,
    DateTime,
    Dialect,
    Table,
    event,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

from ledger.postgres import MIGRATING, Patience, create_postgres_engine, wait_for_migrations
from ledger.turns import Turns
from settings import MAX_BUDGET_USD, SettingsError

_MIGRATIONS = Path(__file__).parent / "migrations"

_SQLITE_PRAGMAS = {
    "busy_timeout": "10000",  # ms
    # A committed cost must survive a power cut: without it the answer would be paid for again.
    "synchronous": "FULL",
    "foreign_keys": "ON",
}
_EXAMPLES = {
    "sqlite": "sqlite+aiosqlite:///./perdure.db",
    "postgresql": "postgresql+asyncpg://perdure:password@localhost/perdure",
}
_NOT_ALLOWED = "42501"  # SQLSTATE (PostgreSQL 15, appendix A)
_TURNS: WeakKeyDictionary[AsyncEngine, Turns] = WeakKeyDictionary()
_WAL_TIMEOUT = 10.0  # s
_WAL_RETRY = 0.02  # s


class Usd(TypeDecorator[Decimal]):
    """An exact amount: whole picodollars (1e-12 USD), so that sums in SQL are exact too.

    The cheapest tokens on sale cost tens of nanodollars each.
    """

    impl = BigInteger
    cache_ok = True
    scale = 12
    most = Decimal(2 * MAX_BUDGET_USD)
    """What an estimate or a bound is kept as that is higher: it fits into no limit either."""

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Turn an amount into picodollars, rounded half to even."""
        return None if value is None else int(value.scaleb(self.scale).to_integral_value())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """Turn picodollars into an amount without trailing zeros."""
        if value is None:
            return None
        return Decimal(f"{Decimal(int(value)).scaleb(-self.scale).normalize():f}")


def as_kept(amount: Decimal) -> Decimal:
    """Return an estimate or a bound as it will come back: in whole picodollars."""
    return min(amount, Usd.most).quantize(Decimal(1).scaleb(-Usd.scale))


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, in UTC both ways. SQLite keeps no time zone with it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn a moment into UTC.

        Raises:
            ValueError: It says no time zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Say that it is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Migrated(NamedTuple):
    """The revisions of a schema before and after; `before` is null for a new database."""

    before: str | None
    after: str


def create_engine(url: str | URL, patience: Patience | None = None) -> AsyncEngine:
    """Make the engine for a database URL; connects on first use.

    Args:
        url: Of SQLite or PostgreSQL.
        patience: How long to wait for PostgreSQL.
    """
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        return create_postgres_engine(address, patience or Patience())
    engine = create_async_engine(address, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _configure_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_immediate)
    event.listen(engine.sync_engine, "invalidate", _roll_back)
    return engine


def _configure_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for name, value in _SQLITE_PRAGMAS.items():
        cursor.execute(f"PRAGMA {name}={value}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _roll_back(connection: AdaptedConnection, _record: object, _error: object) -> None:
    """End the transaction of a connection that is given up, as when its task was cancelled.

    SQLite would keep its lock, even after it was closed, until everything that still refers to it
    was collected.
    """
    with suppress(sqlite3.Error, ValueError):
        connection.run_async(lambda driver: driver.rollback())


def insert_into(table: Table, engine: AsyncEngine) -> sqlite.Insert | postgresql.Insert:
    """Begin an insert that can say `ON CONFLICT`, which each dialect has of its own."""
    return sqlite.insert(table) if engine.dialect.name == "sqlite" else postgresql.insert(table)


def is_passing(error: SQLAlchemyError) -> bool:
    """Tell whether the database is away or busy; else a statement is wrong, now and later."""
    # Nothing narrower says that a file is no database, or is damaged.
    is_unnamed = type(error) is DatabaseError
    return isinstance(error, OperationalError | InterfaceError | NoConnectionFree) or is_unnamed


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Connect for reads that need no transaction, and so wait for no writer."""
    async with engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Begin a transaction that writes; on SQLite, wait for the turn first."""
    if engine.dialect.name != "sqlite":
        async with engine.begin() as connection:
            yield connection
        return
    turns = _TURNS.get(engine) or _TURNS.setdefault(engine, Turns(engine.url.database))
    async with turns.turn(), engine.begin() as connection:
        yield connection


async def migrate(engine: AsyncEngine) -> Migrated:
    """Bring the schema up to date. Idempotent; concurrent callers wait for each other.

    The folder of a SQLite file is made if it is not there.

    Raises:
        SettingsError: The database can't be opened or migrated.
    """
    try:
        if engine.dialect.name != "sqlite":
            return await _migrate_patiently(engine.url)
        if engine.url.database:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
            _probe(engine.url.database)
            await _write_ahead(engine)
        async with engine.begin() as connection:
            return await connection.run_sync(_upgrade)
    except CommandError as error:
        raise SettingsError(
            "AI_DATABASE_URL: the database was migrated by a newer version of Perdure "
            f"({error}). Install that version, or one that came after it."
        ) from error
    except (OSError, DBAPIError, sqlite3.DatabaseError) as error:
        raise SettingsError(_unusable(engine, error)) from error


async def _migrate_patiently(url: URL) -> Migrated:
    engine = create_engine(url, MIGRATING)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(wait_for_migrations)
            return await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


async def find_revision(url: str) -> str | None:
    """Return the revision of the database's tables; None where there are none yet.

    Raises:
        SettingsError: The database can't be opened.
    """
    engine = create_engine(url)
    try:
        async with reading(engine) as connection:
            return await connection.run_sync(
                lambda sync: MigrationContext.configure(sync).get_current_revision()
            )
    except (OSError, DBAPIError) as error:
        raise SettingsError(_unusable(engine, error)) from error
    finally:
        await engine.dispose()


def _unusable(engine: AsyncEngine, error: BaseException) -> str:
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == _NOT_ALLOWED:
        return (
            f"AI_DATABASE_URL: the tables are not up to date ({_reason(error)}). "
            "Run `perdure db upgrade` as a user who may change them."
        )
    return (
        f"AI_DATABASE_URL: the database can't be opened ({_reason(error)}). "
        f"Example: AI_DATABASE_URL={_EXAMPLES[engine.dialect.name]}"
    )


def _reason(error: BaseException) -> str:
    """Say in one line what the server or the system said first."""
    while error.__cause__ is not None:
        error = error.__cause__
    said = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _probe(database: str) -> None:
    """Open the file once, before the driver's threads run: a failed one may outlive its loop."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA schema_version")


async def _write_ahead(engine: AsyncEngine) -> None:
    """Switch the file to a write-ahead log, which it stays at.

    SQLite does not wait for others here, whatever the busy timeout.
    """
    deadline = asyncio.get_running_loop().time() + _WAL_TIMEOUT
    while True:
        try:
            async with reading(engine) as connection:
                await connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        except OperationalError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_WAL_RETRY)
        else:
            return


async def prepare_database(url: str) -> Migrated:
    """Migrate the database at this URL.

    Raises:
        SettingsError: The database can't be opened or migrated.
    """
    engine = create_engine(url)
    try:
        return await migrate(engine)
    finally:
        await engine.dispose()


def newest_revision() -> str:
    """Return the revision that this version's tables have."""
    return str(_script().get_current_head())


def _script() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return ScriptDirectory.from_config(config)


def _upgrade(connection: Connection) -> Migrated:
    script = _script()

    def steps(revision: Any, context: MigrationContext) -> Any:  # noqa: ARG001
        return script._upgrade_revs("head", revision)  # noqa: SLF001 - as Alembic's own command does

    context = MigrationContext.configure(connection, opts={"fn": steps})
    before = context.get_current_revision()
    with Operations.context(context):
        context.run_migrations()
    return Migrated(before, str(script.get_current_head()))
