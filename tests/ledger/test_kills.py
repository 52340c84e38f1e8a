"""A process may be killed between any two statements: all of it has happened, or nothing."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from signal import SIGKILL

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.budgets import period_of, utc_now
from ledger.database import reading
from ledger.idempotency import idempotency_keys
from ledger.runs import UNCONFIRMED_LEASE
from ledger.tables import attempts, entries, periods, receipts, reservations
from tests import victims
from tests.victims import OPERATIONS, Buyer, Step, at_each_point, die_at, ledger_of

_TABLES = (periods, reservations, attempts, entries, receipts, idempotency_keys)
_TIMES = {"id", "created_at", "opened_at", "closed_at", "lease_until", "wiped_at", "warned_at"}


async def rows(engine: AsyncEngine) -> dict[str, Sequence[str]]:
    """Return all that is written of each tenant, but for times and its name."""
    found: dict[str, list[str]] = defaultdict(list)
    async with reading(engine) as connection:
        for table in _TABLES:
            for row in (await connection.execute(select(table))).mappings():
                tenant = row.get("tenant_id") or row["execution_id"].removesuffix("-exec")
                shown = {
                    name: (value is not None if name in _TIMES else value)
                    for name, value in row.items()
                }
                found[tenant].append(f"{table.name} {shown}".replace(tenant, "…"))
    return defaultdict(list, {tenant: sorted(written) for tenant, written in found.items()})


async def give_up(engine: AsyncEngine, tenant: str) -> Decimal:
    """Let every lease be over; returns what is still reserved."""
    moment = utc_now()
    for _ in range(2):
        moment += UNCONFIRMED_LEASE
        ledger = ledger_of(engine, clock=lambda at=moment: at)
        for execution in await ledger.runs.expired():
            if execution == f"{tenant}-exec":
                await ledger.runs.release(execution)
    return (await ledger.budgets.account(tenant, period_of(utc_now()))).reserved_usd


async def test_what_is_killed_has_happened_or_has_not_and_can_be_repeated(
    database_url: str, engine: AsyncEngine
) -> None:
    for operation in OPERATIONS:
        await kill_at_each_point(database_url, engine, operation)
    assert await ledger_of(engine).reports.verify() == []


async def kill_at_each_point(url: str, engine: AsyncEngine, operation: str) -> None:
    ledger, (*earlier, step) = ledger_of(engine), OPERATIONS[operation]

    async def prepare(tenant: str) -> str:
        for one in earlier:
            await one(ledger, tenant)
        return tenant

    undisturbed = await prepare(f"{operation}-0")
    before = (await rows(engine))[undisturbed]
    points = await victims.count_points(engine, step, undisturbed)
    after = (await rows(engine))[undisturbed]
    assert before != after
    tenants = [await prepare(f"{operation}-{point}") for point in range(1, points + 1)]
    processes = [die_at(url, operation, tenant, point) for point, tenant in enumerate(tenants, 1)]
    for process in processes:
        process.join(30)
        assert process.exitcode == -SIGKILL
    assert await ledger.reports.verify() == []
    written = await rows(engine)
    assert [written[tenant] for tenant in tenants] == [*[before] * (points - 1), after]
    first, *others = tenants
    for tenant in others:
        await step(ledger, tenant)
    written = await rows(engine)
    assert [written[tenant] for tenant in others] == [after] * len(others)
    # Nothing of it has happened to the one, all of it to the other, and nobody comes back.
    for tenant in (first, undisturbed):
        assert await give_up(engine, tenant) == 0


async def test_what_is_cancelled_has_happened_or_has_not_and_can_be_repeated(
    engine: AsyncEngine,
) -> None:
    ledger = ledger_of(engine)
    for operation in ("reserve", "begin_again", "answer", "settle"):
        (*earlier, step) = OPERATIONS[operation]
        for point in count(1):
            tenant = f"{operation}-{point}"
            for one in earlier:
                await one(ledger, tenant)
            before = (await rows(engine))[tenant]
            task = await cancel_at(engine, step, tenant, point)
            written = (await rows(engine))[tenant]
            await step(ledger, tenant)  # though somebody still has the cancelled task
            after = (await rows(engine))[tenant]
            assert written in ((before, after) if task.cancelled() else (after,))
            if not task.cancelled():
                break
    assert await ledger.reports.verify() == []


async def cancel_at(
    engine: AsyncEngine, step: Step, tenant: str, point: int
) -> "asyncio.Future[object]":
    """Do something and cancel it at a point, from 1."""
    points = count(1)

    def visit() -> None:
        if next(points) == point:
            task.cancel()

    task = asyncio.ensure_future(step(ledger_of(engine), tenant))
    with at_each_point(engine, visit):
        await asyncio.wait([task])
    return task


async def test_what_was_told_to_be_accounted_for_is_there_after_a_kill(
    database_url: str, engine: AsyncEngine
) -> None:
    ledger = ledger_of(engine)
    for number in range(2):
        tenants = [f"buyer-{number}-{n}" for n in range(2)]
        for tenant in tenants:
            await victims.reserve(ledger, tenant)
        buyers = [Buyer.begin(database_url, tenant) for tenant in tenants]
        for buyer in buyers:
            for call in buyer.kill(after=5 + number):
                assert await ledger.calls.receipt(call) is not None
                assert await ledger.calls.cost(call) == Decimal("0.0007")
            assert await ledger.reports.verify() == []
