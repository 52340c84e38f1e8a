"""Reservations that nobody settles are looked after, on a real server."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.sweep import SweepActivities
from activities.types import Swept
from artifacts.store import ArtifactStore
from connection import connect
from devserver import DevServerDescription, free_port
from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.runs import RunRequest
from settings import Settings
from tests.relay import Relay
from tests.runs import QueueOnly, StartWorker, eventually, redact_then_summarize, start
from tests.scripted import Hang, ScriptedAdapter
from workflows.start import new_execution_id
from workflows.sweep import ensure_sweep, sweep_schedule_id

RUN = RunRequest("tenant-1", "", "two_steps@1.0.0", Decimal(1))


@pytest.fixture
def ledger(engine: AsyncEngine, settings: Settings) -> Ledger:
    """A ledger whose leases are over at once."""
    return Ledger(engine, Budget.of(settings), lease=timedelta(0))


async def sweep(client: Client, ledger: Ledger, engine: AsyncEngine, settings: Settings) -> Swept:
    artifacts = ArtifactStore(engine, settings.ai_data_dir / "artifacts", max_bytes=1)
    activities = SweepActivities(client, ledger, artifacts)
    swept: Swept = await ActivityEnvironment().run(activities.sweep_reservations)
    return swept


async def reserved(ledger: Ledger) -> Decimal:
    return (await ledger.budgets.account("tenant-1")).reserved_usd


async def test_what_a_run_holds_that_was_never_started_is_released(
    client: Client, ledger: Ledger, engine: AsyncEngine, settings: Settings
) -> None:
    await ledger.runs.reserve(replace(RUN, execution_id=new_execution_id()))
    assert await reserved(ledger) == 1
    swept = await sweep(client, ledger, engine, settings)
    assert swept == Swept(extended=0, released=1, kept=0)
    assert await reserved(ledger) == 0
    assert await ledger.reports.verify() == []


async def test_a_run_that_is_under_way_keeps_what_it_holds_until_it_was_terminated(
    client: Client, ledger: Ledger, engine: AsyncEngine, settings: Settings
) -> None:
    queue = QueueOnly(client, settings.ai_task_queue)
    handle = await start(queue, redact_then_summarize())
    await ledger.runs.reserve(replace(RUN, execution_id=handle.id))
    assert (await sweep(client, ledger, engine, settings)).extended == 1
    assert await reserved(ledger) == 1
    await handle.terminate()
    assert (await sweep(client, ledger, engine, settings)).released == 1
    assert await reserved(ledger) == 0


async def test_while_temporal_is_away_everything_is_kept(
    temporal: DevServerDescription, ledger: Ledger, engine: AsyncEngine, settings: Settings
) -> None:
    await ledger.runs.reserve(replace(RUN, execution_id=new_execution_id()))
    async with Relay(temporal.target, free_port()) as relay:
        client = await connect(target=relay.address, namespace=temporal.namespace)
        await relay.cut()
        swept = await sweep(client, ledger, engine, settings)
    assert swept == Swept(extended=0, released=0, kept=1)
    assert await reserved(ledger) == 1


async def test_a_lease_that_is_not_over_is_left_alone(
    client: Client, engine: AsyncEngine, settings: Settings
) -> None:
    ledger = Ledger(engine, Budget.of(settings))
    await ledger.runs.reserve(replace(RUN, execution_id=new_execution_id()))
    swept = await sweep(client, ledger, engine, settings)
    assert swept == Swept(extended=0, released=0, kept=0)


async def test_the_schedule_is_made_once_and_sweeps(
    client: Client, ledger: Ledger, settings: Settings, start_worker: StartWorker, hang: Hang
) -> None:
    await start_worker(ScriptedAdapter(hang))
    await ledger.runs.reserve(replace(RUN, execution_id=new_execution_id()))
    for _ in range(2):
        await ensure_sweep(client, settings.ai_task_queue)
    schedule = client.get_schedule_handle(sweep_schedule_id(settings.ai_task_queue))
    try:
        await schedule.trigger()

        async def is_released() -> bool:
            return await reserved(ledger) == 0

        await eventually(is_released, "the sweep")
    finally:
        await schedule.delete()
