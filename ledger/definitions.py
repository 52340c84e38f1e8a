"""Definitions that tenants have registered: text under a name and version, never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Column, String, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.database import UtcDateTime, insert_into, reading, writing
from ledger.tables import metadata

definitions = Table(
    "definitions",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("document", Text, nullable=False),
    Column("sha256", String, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)


class VersionTaken(Exception):
    """The tenant has registered other content under this name and version."""


@dataclass(frozen=True, slots=True)
class Registered:
    """What is kept under a name and version.

    Attributes:
        document: The definition as JSON, in the words of whoever registered it first.
        is_new: Whether this registration was the first.
    """

    document: str
    is_new: bool


class RegisteredDefinitions:
    """Writes definitions once, per tenant, and reads them."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine of a migrated database."""
        self._engine = engine

    async def register(
        self, tenant_id: str, name: str, version: str, *, document: str, sha256: str
    ) -> Registered:
        """Keep the definition, or find that it is kept already.

        Args:
            tenant_id: Whose it is.
            name: The pipeline's.
            version: The pipeline's.
            document: The definition as JSON.
            sha256: Of its canonical JSON: equal for definitions that are equal.

        Raises:
            VersionTaken: The name and version belong to other content.
        """
        table = definitions
        values = {"tenant_id": tenant_id, "name": name, "version": version}
        insert = insert_into(table, self._engine).values(
            **values, document=document, sha256=sha256, created_at=datetime.now(UTC)
        )
        kept = select(table.c.document, table.c.sha256).filter_by(**values)
        async with writing(self._engine) as connection:
            inserted = await connection.execute(insert.on_conflict_do_nothing())
            row = (await connection.execute(kept)).one()
        if row.sha256 != sha256:
            raise VersionTaken
        return Registered(row.document, is_new=inserted.rowcount == 1)

    async def names(self, tenant_id: str) -> Sequence[str]:
        """List the names under which the tenant has registered anything."""
        query = select(definitions.c.name).filter_by(tenant_id=tenant_id).distinct()
        async with reading(self._engine) as connection:
            return (await connection.execute(query)).scalars().all()

    async def versions(self, tenant_id: str, name: str) -> Sequence[str]:
        """List the versions that the tenant has registered of one pipeline, in no order."""
        query = select(definitions.c.version).filter_by(tenant_id=tenant_id, name=name)
        async with reading(self._engine) as connection:
            return (await connection.execute(query)).scalars().all()

    async def document(self, tenant_id: str, name: str, version: str) -> str | None:
        """Return one definition as JSON, None where the tenant has not registered it."""
        query = select(definitions.c.document).filter_by(
            tenant_id=tenant_id, name=name, version=version
        )
        async with reading(self._engine) as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def documents(self, tenant_id: str) -> Sequence[str]:
        """List all that the tenant has registered, as JSON, in no order."""
        query = select(definitions.c.document).filter_by(tenant_id=tenant_id)
        async with reading(self._engine) as connection:
            return (await connection.execute(query)).scalars().all()
