"""The database: engine, transactions, migrations.

SQLite's driver opens transactions lazily and as readers, which makes two writers fail instead of
wait. Here every transaction is begun explicitly with `BEGIN IMMEDIATE`, so that writers queue up,
and plain reads run outside of transactions.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Connection, Dialect, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.types import TypeDecorator

from settings import SettingsError

_MIGRATIONS = Path(__file__).parent / "migrations"

_SQLITE_PRAGMAS = {
    "busy_timeout": "10000",  # ms
    # A committed cost must survive a power cut: without it the answer would be paid for again.
    "synchronous": "FULL",
    "foreign_keys": "ON",
}


_WAL_TIMEOUT = 10.0  # s
_WAL_RETRY = 0.02  # s


class Usd(TypeDecorator[Decimal]):
    """An exact amount: whole picodollars (1e-12 USD), so that sums in SQL are exact too.

    The cheapest tokens on sale cost tens of nanodollars each.
    """

    impl = BigInteger
    cache_ok = True
    scale = 12

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Turn an amount into picodollars, rounded half to even."""
        return None if value is None else int(value.scaleb(self.scale).to_integral_value())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        """Turn picodollars into an amount without trailing zeros."""
        if value is None:
            return None
        return Decimal(f"{Decimal(int(value)).scaleb(-self.scale).normalize():f}")


def create_engine(url: str) -> AsyncEngine:
    """Make the engine for a database URL; connects on first use."""
    engine = create_async_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine.sync_engine, "connect", _configure_sqlite)
        event.listen(engine.sync_engine, "begin", _begin_immediate)
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


def insert_into(table: Table, engine: AsyncEngine) -> sqlite.Insert | postgresql.Insert:
    """Begin an insert that can say `ON CONFLICT`, which each dialect has of its own."""
    return sqlite.insert(table) if engine.dialect.name == "sqlite" else postgresql.insert(table)


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Connect for reads that need no transaction, and so wait for no writer."""
    async with engine.connect() as connection:
        yield await connection.execution_options(isolation_level="AUTOCOMMIT")


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema up to date. Idempotent; concurrent callers wait for each other.

    The folder of a SQLite file is made if it is not there.

    Raises:
        SettingsError: The database can't be opened.
    """
    try:
        if engine.dialect.name == "sqlite" and engine.url.database:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
            _probe(engine.url.database)
            await _write_ahead(engine)
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    except (OSError, DatabaseError, sqlite3.DatabaseError) as error:
        raise SettingsError(
            f"AI_DATABASE_URL: the database can't be opened ({type(error).__name__}). "
            "Example: AI_DATABASE_URL=sqlite+aiosqlite:///./perdure.db"
        ) from error


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


async def prepare_database(url: str) -> None:
    """Migrate the database at this URL.

    Raises:
        SettingsError: The database can't be opened.
    """
    engine = create_engine(url)
    try:
        await migrate(engine)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, context: MigrationContext) -> Any:  # noqa: ARG001
        return script._upgrade_revs("head", revision)  # noqa: SLF001 - as Alembic's own command does

    context = MigrationContext.configure(connection, opts={"fn": steps})
    with Operations.context(context):
        context.run_migrations()
