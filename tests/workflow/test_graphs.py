"""Steps that need nothing of each other run side by side, on a real server."""

import asyncio
import random
from contextlib import suppress
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from events.store import EventStore
from events.types import EventType
from pipelines.builder import Pipeline
from pipelines.model import PipelineDefinition
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.errors import InvalidRequest
from providers.types import Capability
from tests.runs import RunningWorker, StartWorker, eventually, plain, progress, start
from tests.scripted import Act, Hang, ScriptedAdapter, answer, fail
from workflows.types import RunStatus, StepState


def fork(**redact: Any) -> PipelineDefinition:
    """`redact` and `feel` side by side, `sum_up` after both; arguments are settings of `redact`."""
    pipeline = (
        Pipeline("fork")
        .step("sum_up")
        .capability(Capability.SUMMARIZATION)
        .input_from({"text": "string(redacted == null) + mood.label"})
        .after("redact", "feel")
        .done()
        .step("redact")
        .capability(Capability.PII_REDACTION)
        .output_as("redacted")
        .with_retry(max_attempts=1)
        .after()
        .done()
        .step("feel")
        .capability(Capability.SENTIMENT_ANALYSIS)
        .output_as("mood")
        .with_retry(max_attempts=1)
        .after()
        .done()
        .build()
    )
    first, second, third = pipeline.steps
    changed = second.model_copy(update=redact)
    return pipeline.model_copy(update={"steps": (first, changed, third)})


class ByCapability(ScriptedAdapter):
    """Plays the act that its capability has; answers where it has none."""

    def __init__(self, **acts: Act) -> None:
        super().__init__(self._play)
        self._by_capability = acts

    async def _play(self, call: ProviderCall, report: ReportProgress) -> ProviderAnswer:
        return await self._by_capability.get(call.capability.value, answer())(call, report)


async def agree(worker: RunningWorker, handle: WorkflowHandle[Any, Any]) -> None:
    projection, _ = await EventStore(worker.client).read(handle.id)
    assert plain(projection.status) == plain(await progress(handle))


async def states(handle: WorkflowHandle[Any, Any]) -> dict[str, StepState]:
    return {step.name: step.status for step in (await progress(handle)).steps}


async def test_branches_run_side_by_side_and_meet(start_worker: StartWorker) -> None:
    """Each branch waits for the other to have begun: one after the other they would never end."""
    begun = {
        Capability.PII_REDACTION: asyncio.Event(),
        Capability.SENTIMENT_ANALYSIS: asyncio.Event(),
    }

    async def meet(call: ProviderCall, report: ReportProgress) -> ProviderAnswer:
        begun[call.capability].set()
        for event in begun.values():
            await event.wait()
        return await answer()(call, report)

    adapter = ByCapability(pii_redaction=meet, sentiment_analysis=meet)
    worker = await start_worker(adapter)
    handle = await start(worker, fork())
    result = await handle.result()
    assert result["output"]["sum_up"] == {"text": "in short"}
    assert adapter.calls[-1].request.model_dump()["text"] == "falseneutral"
    await agree(worker, handle)


async def test_a_step_that_fails_stops_what_runs_beside_it_and_what_comes_after(
    start_worker: StartWorker,
) -> None:
    hang = Hang()

    async def refuse(call: ProviderCall, report: ReportProgress) -> ProviderAnswer:
        await hang.entered.wait()
        return await fail(InvalidRequest("too odd"))(call, report)

    adapter = ByCapability(pii_redaction=refuse, sentiment_analysis=hang)
    worker = await start_worker(adapter)
    handle = await start(worker, fork())
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert hang.cancelled.is_set()
    assert await states(handle) == {
        "sum_up": StepState.PENDING,
        "redact": StepState.FAILED,
        "feel": StepState.CANCELLED,
    }
    error = (await progress(handle)).error
    assert error is not None
    assert (error.code, error.step) == ("invalid_request", "redact")
    await agree(worker, handle)


@pytest.mark.parametrize(
    ("redact", "expected"),
    [
        ({"when": "false"}, (StepState.SKIPPED, EventType.STEP_SKIPPED)),
        ({"optional": True}, (StepState.FAILED, EventType.STEP_FAILED)),
    ],
)
async def test_what_is_decided_in_one_branch_is_told_while_the_other_goes_on(
    start_worker: StartWorker, redact: dict[str, Any], expected: tuple[StepState, EventType]
) -> None:
    hang = Hang()
    failing = fail(InvalidRequest("too odd"))
    worker = await start_worker(ByCapability(pii_redaction=failing, sentiment_analysis=hang))
    store = EventStore(worker.client)
    handle = await start(worker, fork(**redact))
    await hang.entered.wait()

    async def is_told() -> bool:
        _, events = await store.read(handle.id)
        return expected[1] in {event.event_type for event in events}

    await eventually(is_told, "the decision")
    assert (await states(handle))["redact"] == expected[0]
    assert (await progress(handle)).status == RunStatus.RUNNING
    await agree(worker, handle)
    await handle.cancel()
    with suppress(WorkflowFailureError):
        await handle.result()
    await agree(worker, handle)


async def test_whenever_a_graph_is_cancelled_the_query_and_the_projection_agree(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker(ScriptedAdapter())
    moments = random.Random(11)  # noqa: S311 - no secret

    async def cancelled_at(delay: float) -> None:
        handle = await start(worker, fork(when="text.size() > 3"))
        await asyncio.sleep(delay)
        with suppress(Exception):
            await handle.cancel()
        with suppress(WorkflowFailureError):
            await handle.result()
        await agree(worker, handle)

    async with asyncio.TaskGroup() as group:
        for _ in range(25):
            group.create_task(cancelled_at(moments.uniform(0, 0.8)))
