"""The migrations make what the tables say, once, whoever comes first."""

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect
from sqlalchemy.ext.asyncio import AsyncEngine

from artifacts.store import metadata as artifact_tables
from ledger.database import create_engine, migrate
from ledger.definitions import definitions
from ledger.idempotency import idempotency_keys
from ledger.tables import metadata as ledger_tables
from settings import SettingsError


def tables() -> MetaData:
    assert idempotency_keys.metadata is definitions.metadata is ledger_tables
    together = MetaData()
    for metadata in (ledger_tables, artifact_tables):
        for table in metadata.tables.values():
            table.to_metadata(together)
    return together


async def test_the_migrated_schema_is_what_the_tables_describe(engine: AsyncEngine) -> None:
    def compare(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "compare_server_default": True}
        return list(
            compare_metadata(MigrationContext.configure(connection, opts=options), tables())
        )

    async with engine.connect() as connection:
        assert await connection.run_sync(compare) == []


async def test_every_table_is_made(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
    assert {"entries", "idempotency_keys", "blobs", "artifacts", "definitions"} <= set(names)


async def test_a_migrated_database_may_be_migrated_again(engine: AsyncEngine) -> None:
    await migrate(engine)


async def test_processes_that_migrate_at_once_wait_for_each_other(new_database_url: str) -> None:
    engines = [create_engine(new_database_url) for _ in range(8)]
    await asyncio.gather(*(migrate(engine) for engine in engines))
    for engine in engines:
        await engine.dispose()


async def test_what_a_newer_version_has_migrated_is_left_alone(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SettingsError, match=r"^AI_DATABASE_URL: .* newer version .*'9999'"):
        await migrate(engine)
