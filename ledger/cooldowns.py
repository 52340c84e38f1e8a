"""Cooldowns: which provider, model and key nobody is to ask until when, for all workers and runs.

They lie in the database, where every worker sees them. A worker reads them once a second however
many calls it makes, so that one that was opened anywhere is known everywhere within two.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import case, delete, select
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.database import insert_into, reading, writing
from ledger.tables import cooldowns

_FRESH = 1.0
"""Seconds for which what was read is believed."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is not to be asked.

    Attributes:
        credential: Tells keys apart, and gives none away; empty where there is none.
    """

    provider: str
    model: str
    credential: str


@dataclass(frozen=True, slots=True)
class Cooldown:
    """For how long, and what was the reason.

    Attributes:
        code: Of the error that opened it.
    """

    target: Target
    until: datetime
    code: str


class Cooldowns:
    """Opens, reads and clears them."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine of a migrated database."""
        self._engine = engine
        self._known: Mapping[Target, Cooldown] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def open(self, target: Target, until: datetime, code: str) -> None:
        """Keep everybody from asking until then; one that lasts longer stays."""
        values = {"until": until, "code": code}
        insert = insert_into(cooldowns, self._engine).values(
            provider=target.provider,
            model=target.model,
            credential=target.credential,
            **values,
        )
        later = insert.excluded.until > cooldowns.c.until
        statement = insert.on_conflict_do_update(
            index_elements=["provider", "model", "credential"],
            set_={
                "until": case((later, insert.excluded.until), else_=cooldowns.c.until),
                "code": case((later, insert.excluded.code), else_=cooldowns.c.code),
            },
        )
        async with writing(self._engine) as connection:
            await connection.execute(statement)
        self._read_at = float("-inf")

    async def find(self, target: Target) -> Cooldown | None:
        """Return the cooldown that holds for a target now."""
        await self._refresh()
        found = self._known.get(target)
        return None if found is None or found.until <= datetime.now(UTC) else found

    async def all(self) -> Sequence[Cooldown]:
        """List those that hold now, by provider and model."""
        query = (
            select(cooldowns)
            .where(cooldowns.c.until > datetime.now(UTC))
            .order_by(cooldowns.c.provider, cooldowns.c.model)
        )
        async with reading(self._engine) as connection:
            rows = (await connection.execute(query)).all()
        return [
            Cooldown(Target(row.provider, row.model, row.credential), row.until, row.code)
            for row in rows
        ]

    async def clear(self, provider: str) -> int:
        """Let a provider be asked again; returns how many cooldowns there were."""
        async with writing(self._engine) as connection:
            done = await connection.execute(
                delete(cooldowns).where(cooldowns.c.provider == provider)
            )
        self._read_at = float("-inf")
        return done.rowcount

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._reading:
            if loop.time() - self._read_at < _FRESH:
                return
            self._known = {one.target: one for one in await self.all()}
            self._read_at = loop.time()
