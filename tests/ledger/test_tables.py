"""What is written comes back the same from every database."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.database import reading
from ledger.tables import entries, periods

MOMENT = datetime(2026, 11, 28, 23, 59, 59, 123456, tzinfo=UTC)
LONG = "a model with a name as long as a vendor likes " * 20


async def warn_at(engine: AsyncEngine, moment: datetime | None) -> datetime | None:
    """Write a moment and read it again."""
    row = {"tenant_id": "t", "period": "2026-11", "spent_usd": Decimal(0)}
    async with engine.begin() as connection:
        values = row | {"reserved_usd": Decimal(0), "warned_at": moment}
        await connection.execute(insert(periods).values(values))
    async with reading(engine) as connection:
        found = await connection.scalar(select(periods.c.warned_at))
    assert found is None or isinstance(found, datetime)
    return found


@pytest.mark.parametrize(
    "moment", [MOMENT, MOMENT.astimezone(timezone(timedelta(hours=-3, minutes=-30)))], ids=str
)
async def test_a_moment_comes_back_in_utc(engine: AsyncEngine, moment: datetime) -> None:
    found = await warn_at(engine, moment)
    assert (found, found and found.tzinfo) == (MOMENT, UTC)


async def test_no_moment_stays_none(engine: AsyncEngine) -> None:
    assert await warn_at(engine, None) is None


async def test_a_moment_without_a_time_zone_is_refused(engine: AsyncEngine) -> None:
    with pytest.raises(StatementError, match="a moment needs a time zone"):
        await warn_at(engine, MOMENT.replace(tzinfo=None))


def entry(**values: object) -> dict[str, object]:
    texts = ("tenant_id", "execution_id", "pipeline", "step", "provider", "model", "call_id")
    return dict.fromkeys((*texts, "price_source"), "x") | {
        "tags": {},
        "candidate": 0,
        "attempt": 1,
        "usage": {},
        "unit_prices": {},
        "cost_usd": Decimal("0.007"),
        "duplicate": False,
        "day": MOMENT.date(),
        "created_at": MOMENT,
        **values,
    }


async def book(engine: AsyncEngine, row: dict[str, object]) -> dict[str, object]:
    """Write an entry and read it again."""
    async with engine.begin() as connection:
        await connection.execute(insert(entries).values(row))
    async with reading(engine) as connection:
        found = (await connection.execute(select(entries))).mappings().one()
    return {name: found[name] for name in row}


async def test_what_was_bought_is_booked_whatever_it_is_called(engine: AsyncEngine) -> None:
    texts = [name for name, value in entry().items() if value == "x"]
    row = entry(**dict.fromkeys(texts, LONG))
    assert await book(engine, row) == row


async def test_texts_that_no_database_likes_are_kept_in_json(engine: AsyncEngine) -> None:
    row = entry(tags={"of": "a\0b"}, usage={"half a pair": "\ud83d"})
    assert await book(engine, row) == row


async def test_entries_may_be_more_than_fit_into_32_bits(engine: AsyncEngine) -> None:
    row = entry(id=2**31)
    assert await book(engine, row) == row
