"""Answers, cancellations and timeouts that meet: nothing new begins, and nobody disagrees."""

import asyncio
import random
from contextlib import suppress

from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

from events.store import EventStore
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.errors import ProviderFault
from providers.types import QualityTier, Usage
from tests.runs import StartWorker, plain, progress, redact_then_summarize, start
from tests.scripted import RESPONSES, Hang, ScriptedAdapter
from workflows.types import RunStatus, StepState


class Stubborn(Hang):
    """Answers when it is told to stop, as a provider does whose answer was on its way."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self._error = error

    async def __call__(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        with suppress(asyncio.CancelledError):
            await super().__call__(call, report_progress)
        if self._error:
            raise self._error
        return ProviderAnswer(RESPONSES[call.capability], Usage(characters=10))


async def test_after_an_answer_that_met_a_cancellation_nothing_new_begins(
    start_worker: StartWorker,
) -> None:
    stubborn = Stubborn()
    adapter = ScriptedAdapter(stubborn)
    worker = await start_worker(adapter)
    handle = await start(worker, redact_then_summarize())
    await stubborn.entered.wait()
    await handle.cancel()
    with suppress(WorkflowFailureError):
        await handle.result()
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
    assert len(adapter.calls) == 1
    status = await progress(handle)
    assert [step.status for step in status.steps] == [StepState.COMPLETED, StepState.PENDING]
    projection, _ = await EventStore(worker.client).read(handle.id)
    assert plain(projection.status) == plain(status)


async def test_after_a_failure_that_met_a_cancellation_nobody_else_is_asked(
    start_worker: StartWorker,
) -> None:
    stubborn = Stubborn(ProviderFault("down"))
    adapter = ScriptedAdapter(stubborn)
    other = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(adapter, other)
    handle = await start(worker, redact_then_summarize())
    await stubborn.entered.wait()
    await handle.cancel()
    with suppress(WorkflowFailureError):
        await handle.result()
    assert (await progress(handle)).status == RunStatus.CANCELLED
    assert len(adapter.calls) + len(other.calls) == 1


async def test_after_an_answer_that_met_the_runs_timeout_nothing_new_begins(
    start_worker: StartWorker,
) -> None:
    adapter = ScriptedAdapter(Stubborn())
    worker = await start_worker(adapter)
    handle = await start(worker, redact_then_summarize().model_copy(update={"timeout": 1}))
    with suppress(WorkflowFailureError):
        await handle.result()
    status = await progress(handle)
    assert status.error is not None
    assert status.error.code == "timed_out"
    assert len(adapter.calls) == 1
    projection, _ = await EventStore(worker.client).read(handle.id)
    assert plain(projection.status) == plain(status)


async def test_a_stopped_worker_does_not_use_up_an_attempt(start_worker: StartWorker) -> None:
    hang = Hang()
    definition = redact_then_summarize()
    once = definition.steps[0].retry.model_copy(update={"max_attempts": 1})
    steps = tuple(step.model_copy(update={"retry": once}) for step in definition.steps)
    worker = await start_worker(ScriptedAdapter(hang))
    handle = await start(worker, definition.model_copy(update={"steps": steps}))
    await hang.entered.wait()
    await worker.stop()
    await start_worker(ScriptedAdapter())
    assert (await handle.result())["output"]["summary"] == {"text": "in short"}


async def test_whenever_a_run_is_cancelled_the_query_and_the_projection_agree(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker(ScriptedAdapter())
    store = EventStore(worker.client)
    moments = random.Random(7)  # noqa: S311 - no secret

    async def cancelled_at(delay: float) -> None:
        handle = await start(worker, redact_then_summarize())
        await asyncio.sleep(delay)
        with suppress(Exception):
            await handle.cancel()
        with suppress(WorkflowFailureError):
            await handle.result()
        projection, _ = await store.read(handle.id)
        assert plain(projection.status) == plain(await progress(handle))

    async with asyncio.TaskGroup() as group:
        for _ in range(40):
            group.create_task(cancelled_at(moments.uniform(0, 0.8)))
