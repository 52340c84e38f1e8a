"""Keys bind a body to an execution, for 30 days."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.idempotency import (
    RETENTION,
    Claim,
    IdempotencyKeyReused,
    IdempotencyKeys,
    KeyUse,
    claim_key,
)
from ledger.idempotency import idempotency_keys as table


async def age(engine: AsyncEngine, by: timedelta) -> None:
    """Make every key older."""
    async with engine.begin() as connection:
        await connection.execute(update(table).values(created_at=datetime.now(UTC) - by))


async def claim(engine: AsyncEngine, body: str, execution_id: str) -> Claim:
    async with engine.begin() as connection:
        return await claim_key(connection, engine, "t", KeyUse("k", body), execution_id)


async def test_a_key_stays_with_the_execution_that_claimed_it(engine: AsyncEngine) -> None:
    assert await claim(engine, "body", "exec-1") == Claim("exec-1", None)
    assert await claim(engine, "body", "exec-2") == Claim("exec-1", None)


async def test_a_key_that_nobody_claimed_is_not_found(engine: AsyncEngine) -> None:
    assert await IdempotencyKeys(engine).find("t", KeyUse("k", "body")) is None


async def test_a_confirmed_answer_is_found(engine: AsyncEngine) -> None:
    keys = IdempotencyKeys(engine)
    await claim(engine, "body", "exec-1")
    assert await keys.confirm("t", KeyUse("k", "body"), {"n": 1}) is True
    assert await keys.find("t", KeyUse("k", "body")) == Claim("exec-1", {"n": 1})


async def test_only_the_first_answer_is_kept(engine: AsyncEngine) -> None:
    keys = IdempotencyKeys(engine)
    await claim(engine, "body", "exec-1")
    first, second = await asyncio.gather(
        keys.confirm("t", KeyUse("k", "body"), {"n": 1}),
        keys.confirm("t", KeyUse("k", "body"), {"n": 2}),
    )
    assert sorted([first, second]) == [False, True]
    assert await keys.find("t", KeyUse("k", "body")) == Claim("exec-1", {"n": 1 if first else 2})


async def test_another_body_is_refused_on_both_ways(engine: AsyncEngine) -> None:
    keys = IdempotencyKeys(engine)
    await claim(engine, "body", "exec-1")
    with pytest.raises(IdempotencyKeyReused):
        await keys.find("t", KeyUse("k", "other"))
    with pytest.raises(IdempotencyKeyReused):
        await claim(engine, "other", "exec-2")


async def test_of_many_claims_at_once_all_hold_one_execution(engine: AsyncEngine) -> None:
    claims = await asyncio.gather(
        *(claim(engine, "body", f"exec-{number}") for number in range(20))
    )
    assert len({claim.execution_id for claim in claims}) == 1


async def test_a_key_is_kept_until_its_time_is_over(engine: AsyncEngine) -> None:
    keys = IdempotencyKeys(engine)
    await claim(engine, "body", "exec-1")
    await age(engine, RETENTION - timedelta(minutes=1))
    assert await keys.find("t", KeyUse("k", "body")) == Claim("exec-1", None)


async def test_a_key_is_free_when_its_time_is_over(engine: AsyncEngine) -> None:
    keys = IdempotencyKeys(engine)
    await claim(engine, "body", "exec-1")
    await keys.confirm("t", KeyUse("k", "body"), {"n": 1})
    await age(engine, RETENTION + timedelta(minutes=1))
    assert await keys.find("t", KeyUse("k", "other")) is None
    assert await claim(engine, "other", "exec-2") == Claim("exec-2", None)


def test_keys_are_kept_for_thirty_days() -> None:
    assert timedelta(days=30) == RETENTION
