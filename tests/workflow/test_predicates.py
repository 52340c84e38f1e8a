"""Conditions that are Python functions: asked once, on the worker, with the answer in history."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType as HistoryEventType
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from activities.types import FUNCTION_NOT_FOUND
from events.store import EventStore
from events.types import EventType
from pipelines.model import PipelineDefinition
from providers.types import Capability
from tests.runs import DEADLINE, StartWorker, plain, progress, redact_then_summarize, start
from tests.scripted import ScriptedAdapter
from workflows.types import RunStatus, StepState

Condition = Callable[[dict[str, Any]], object]


def summarize_when(condition: Condition) -> PipelineDefinition:
    return redact_then_summarize(code=("when",)).with_functions({("summarize", "when"): condition})


def functions_of(definition: PipelineDefinition) -> dict[str, Any]:
    return {definition.id: definition.functions}


async def summary_of(start_worker: StartWorker, condition: Condition) -> Any:
    """Run to the end; return the last step's status."""
    definition = summarize_when(condition)
    worker = await start_worker(ScriptedAdapter(), functions=functions_of(definition))
    handle = await start(worker, definition)
    await handle.result()
    return (await progress(handle)).steps[1]


@pytest.mark.parametrize("truth", [True, "yes", [0]])
async def test_a_true_answer_runs_the_step(start_worker: StartWorker, truth: object) -> None:
    step = await summary_of(start_worker, lambda _: truth)
    assert step.status == StepState.COMPLETED


@pytest.mark.parametrize("falsity", [False, None, ""])
async def test_a_false_answer_skips_the_step(start_worker: StartWorker, falsity: object) -> None:
    step = await summary_of(start_worker, lambda _: falsity)
    assert (step.status, step.error) == (StepState.SKIPPED, None)


async def test_the_condition_sees_the_input_and_the_outputs_so_far(
    start_worker: StartWorker,
) -> None:
    seen: list[dict[str, Any]] = []
    await summary_of(start_worker, seen.append)
    assert seen == [
        {
            "text": "Jane called",
            "redacted": {"text": "[NAME] called", "segments": None, "entities": []},
        }
    ]


def stopped(_: dict[str, Any]) -> object:
    raise StopIteration


async def asynchronous(_: dict[str, Any]) -> object:
    return True


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (lambda context: context["nothing"], "raised KeyError: 'nothing'."),
        (stopped, "raised StopIteration: ."),
        (asynchronous, "is a coroutine function; it must be a plain one."),
        (lambda _: time.sleep(6), "gave no answer within 5 s."),
    ],
    ids=["raises", "stops", "asynchronous", "hangs"],
)
async def test_a_condition_that_fails_skips_and_says_why(
    start_worker: StartWorker, condition: Condition, reason: str
) -> None:
    step = await summary_of(start_worker, condition)
    assert step.status == StepState.SKIPPED
    assert step.error.code == "expression"
    assert step.error.message == f"The condition of step 'summarize' {reason}"


async def test_a_worker_without_the_function_fails_the_run_and_says_how_to_mend_it(
    start_worker: StartWorker,
) -> None:
    adapter = ScriptedAdapter()
    handle = await start(await start_worker(adapter), summarize_when(bool))
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    assert cause.type == FUNCTION_NOT_FOUND
    assert "step 'summarize' of two_steps@1.0.0" in cause.message
    assert "register the pipeline with the worker" in cause.message
    status = await progress(handle)
    assert status.status == RunStatus.FAILED
    assert status.steps[1].status == StepState.FAILED
    assert [call.capability for call in adapter.calls] == [Capability.PII_REDACTION]


async def test_a_function_of_another_version_is_not_asked(start_worker: StartWorker) -> None:
    older = summarize_when(bool)
    worker = await start_worker(ScriptedAdapter(), functions=functions_of(older))
    handle = await start(worker, older.model_copy(update={"version": "1.0.1"}))
    with pytest.raises(WorkflowFailureError):
        await handle.result()


async def test_the_answer_is_in_history_and_no_event_of_its_own(start_worker: StartWorker) -> None:
    definition = summarize_when(lambda _: True)
    worker = await start_worker(ScriptedAdapter(), functions=functions_of(definition))
    handle = await start(worker, definition)
    await handle.result()
    markers = [
        event.marker_recorded_event_attributes
        for event in (await handle.fetch_history()).events
        if event.event_type == HistoryEventType.EVENT_TYPE_MARKER_RECORDED
    ]
    answers = [marker.details["result"].payloads[0].data for marker in markers]
    assert b'{"wanted":true,"error":null}' in answers
    assert all(b"Jane called" not in marker.SerializeToString() for marker in markers)
    projection, events = await EventStore(worker.client).read(handle.id)
    assert plain(projection.status) == plain(await progress(handle))
    assert EventType.STEP_SKIPPED not in {event.event_type for event in events}


async def test_a_condition_is_asked_once_even_when_the_workflow_is_replayed(
    start_worker: StartWorker,
) -> None:
    asked: list[object] = []

    def condition(context: dict[str, Any]) -> bool:
        asked.append(context)
        return True

    definition = summarize_when(condition)
    worker = await start_worker(ScriptedAdapter(), functions=functions_of(definition))
    handle = await start(worker, definition)
    await handle.result()
    await worker.stop()
    await start_worker(ScriptedAdapter())
    # A worker that never saw the run replays it to answer; the function is not even there.
    assert (await progress(handle)).steps[1].status == StepState.COMPLETED
    assert len(asked) == 1


async def test_a_run_that_is_cancelled_while_its_condition_is_asked_ends_as_cancelled(
    start_worker: StartWorker,
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def condition(_: dict[str, Any]) -> bool:
        asked.set()
        return answer.wait(4)

    definition = summarize_when(condition)
    worker = await start_worker(ScriptedAdapter(), functions=functions_of(definition))
    handle = await start(worker, definition)
    await asyncio.to_thread(asked.wait, DEADLINE)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    answer.set()
    assert isinstance(caught.value.cause, CancelledError)
    status = await progress(handle)
    assert status.status == RunStatus.CANCELLED
    assert status.total_cost_usd is not None
