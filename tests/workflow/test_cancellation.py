"""Cancellation by client, by signal and before the first step: one path, one ending."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError

from events.store import EventStore
from events.types import EventType
from settings import Settings
from tests.runs import QueueOnly, StartWorker, plain, progress, redact_then_summarize, start
from tests.scripted import Hang, ScriptedAdapter
from workflows.types import RunStatus, StepState

Ask = Callable[[WorkflowHandle[Any, Any]], Awaitable[None]]


async def by_client(handle: WorkflowHandle[Any, Any]) -> None:
    await handle.cancel(reason="no longer wanted")


async def by_signal(handle: WorkflowHandle[Any, Any]) -> None:
    await handle.signal("cancel", "no longer wanted")


@pytest.mark.parametrize("ask", [by_client, by_signal])
async def test_a_cancelled_run_aborts_its_call_and_ends_as_cancelled(
    start_worker: StartWorker, hang: Hang, ask: Ask
) -> None:
    worker = await start_worker(ScriptedAdapter(hang))
    handle = await start(worker, redact_then_summarize())
    await hang.entered.wait()
    await ask(handle)
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert hang.cancelled.is_set()
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
    status = await progress(handle)
    assert status.status == RunStatus.CANCELLED
    assert [step.status for step in status.steps] == [StepState.CANCELLED, StepState.PENDING]
    assert status.error is not None
    assert "no longer wanted" in status.error.message


@pytest.mark.parametrize("ask", [by_client, by_signal])
async def test_a_cancelled_run_is_settled_and_its_last_event_says_so(
    start_worker: StartWorker, hang: Hang, ask: Ask
) -> None:
    worker = await start_worker(ScriptedAdapter(hang))
    handle = await start(worker, redact_then_summarize())
    await hang.entered.wait()
    await ask(handle)
    events = [event async for event in EventStore(worker.client).subscribe(handle.id)]
    assert events[-1].event_type == EventType.WORKFLOW_CANCELLED
    projection, _ = await EventStore(worker.client).read(handle.id)
    assert plain(projection.status) == plain(await progress(handle))
    assert projection.status.known_cost_usd == 0


async def test_a_run_that_no_worker_has_seen_can_be_cancelled(
    client: Client, settings: Settings, start_worker: StartWorker
) -> None:
    handle = await start(QueueOnly(client, settings.ai_task_queue), redact_then_summarize())
    await handle.cancel()
    await start_worker(ScriptedAdapter())
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
