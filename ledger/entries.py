"""Entries: one row for each attempt at a call that was answered or may have been billed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.database import Usd, insert_into, reading

metadata = MetaData()

entries = Table(
    "entries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    Column("execution_id", String(64), nullable=False, index=True),
    Column("pipeline", String(130), nullable=False),
    Column("step", String(64), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("model", String(128), nullable=False),
    Column("call_id", String(200), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("usage", JSON, nullable=False),
    Column("cost_usd", Usd),
    Column("price_source", String(200), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("call_id", "attempt", name="entries_call_attempt"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one attempt at a provider call used and cost.

    Attributes:
        call_id: The call's idempotency key, equal for all its attempts.
        attempt: From 1.
        cost_usd: Null when the price is unknown; `price_source` says why.
    """

    tenant_id: str
    execution_id: str
    pipeline: str
    step: str
    provider: str
    model: str
    call_id: str
    attempt: int
    usage: dict[str, Any]
    cost_usd: Decimal | None
    price_source: str


@dataclass(frozen=True, slots=True)
class Total:
    """What a run cost: `total` is null when a part is unknown, `known` is the rest."""

    total: Decimal | None
    known: Decimal


class Ledger:
    """Writes and adds up entries."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine of a migrated database."""
        self._engine = engine

    async def record(self, entry: Entry) -> None:
        """Write one entry; writing the same call and attempt again changes nothing."""
        values = {name: getattr(entry, name) for name in entry.__slots__}
        values["created_at"] = datetime.now(UTC)
        statement = insert_into(entries, self._engine).values(values).on_conflict_do_nothing()
        async with self._engine.begin() as connection:
            await connection.execute(statement)

    async def total(self, execution_id: str) -> Total:
        """Add up a run's entries."""
        query = select(
            func.coalesce(func.sum(entries.c.cost_usd, type_=Usd()), 0, type_=Usd()),
            func.count().filter(entries.c.cost_usd.is_(None)),
        ).where(entries.c.execution_id == execution_id)
        async with reading(self._engine) as connection:
            known, unknown = (await connection.execute(query)).one()
        return Total(total=None if unknown else known, known=known)

    async def of_execution(self, execution_id: str) -> Sequence[Entry]:
        """List a run's entries in the order in which they were written."""
        columns = [entries.c[name] for name in Entry.__slots__]
        query = (
            select(*columns).where(entries.c.execution_id == execution_id).order_by(entries.c.id)
        )
        async with reading(self._engine) as connection:
            return [Entry(**row) for row in (await connection.execute(query)).mappings()]
