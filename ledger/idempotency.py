"""Idempotency keys: the same key and body give the same execution and the same answer."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Column, DateTime, Row, String, Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger.database import insert_into, reading, writing
from ledger.tables import metadata

RETENTION = timedelta(days=30)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("execution_id", String(64), nullable=False),
    Column("answer", JSON(none_as_null=True)),
    Column("created_at", DateTime(timezone=True), nullable=False),
)


class IdempotencyKeyReused(Exception):
    """The key was used before, with another body."""


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A key, and the body that it came with."""

    key: str
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Who a key belongs to.

    Attributes:
        execution_id: The execution that every holder of the key starts, or has started.
        answer: The answer that was given, once the start was confirmed.
    """

    execution_id: str
    answer: dict[str, Any] | None


class IdempotencyKeys:
    """Per tenant, kept for 30 days. A key whose start was never confirmed may be tried again."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine of a migrated database."""
        self._engine = engine

    async def find(self, tenant_id: str, use: KeyUse) -> Claim | None:
        """Return what the key is bound to, or None.

        Raises:
            IdempotencyKeyReused: The key is bound to another body.
        """
        table = idempotency_keys
        query = select(table).where(
            table.c.tenant_id == tenant_id,
            table.c.key == use.key,
            table.c.created_at >= datetime.now(UTC) - RETENTION,
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _claim(row, use)

    async def confirm(self, tenant_id: str, use: KeyUse, answer: dict[str, Any]) -> bool:
        """Keep the answer; false when another holder of the key was first."""
        table = idempotency_keys
        statement = (
            update(table)
            .where(table.c.tenant_id == tenant_id, table.c.key == use.key, table.c.answer.is_(None))
            .values(answer=answer)
        )
        async with writing(self._engine) as connection:
            return (await connection.execute(statement)).rowcount == 1


async def claim_key(
    connection: AsyncConnection,
    engine: AsyncEngine,
    tenant_id: str,
    use: KeyUse,
    execution_id: str,
) -> Claim:
    """Bind the key to the execution within a transaction, or find what it is bound to.

    Raises:
        IdempotencyKeyReused: The key is bound to another body.
    """
    now = datetime.now(UTC)
    table = idempotency_keys
    mine = (table.c.tenant_id == tenant_id) & (table.c.key == use.key)
    await connection.execute(delete(table).where(mine & (table.c.created_at < now - RETENTION)))
    await connection.execute(
        insert_into(table, engine)
        .values(
            tenant_id=tenant_id,
            key=use.key,
            body_sha256=use.body_sha256,
            execution_id=execution_id,
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
    row = (await connection.execute(select(table).where(mine))).one()
    return _claim(row, use)


def _claim(row: Row[Any], use: KeyUse) -> Claim:
    if row.body_sha256 != use.body_sha256:
        raise IdempotencyKeyReused
    return Claim(execution_id=row.execution_id, answer=row.answer)
