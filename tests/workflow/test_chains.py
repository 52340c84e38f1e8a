"""Who is asked after whom, and how long a run waits for a provider that wants to be left alone."""

from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from activities.types import ErrorInfo
from pipelines.model import FallbackPolicy, PipelineDefinition
from providers.errors import RateLimited
from providers.types import QualityTier
from tests.runs import StartWorker, eventually, progress, redact_then_summarize, start
from tests.scripted import ScriptedAdapter, answer, fail
from workflows.types import StepState

LONG = timedelta(seconds=31)


def one_step(timeout: float = 3600, *, max_fallbacks: int = 2) -> PipelineDefinition:
    definition = redact_then_summarize()
    step = definition.steps[0].model_copy(
        update={"fallback": FallbackPolicy(max_fallbacks=max_fallbacks)}
    )
    return definition.model_copy(update={"steps": (step,), "timeout": timeout})


async def test_a_provider_that_wants_a_long_rest_is_left_for_the_next_at_once(
    start_worker: StartWorker,
) -> None:
    adapter = ScriptedAdapter(fail(RateLimited("later", retry_after=LONG)))
    other = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(adapter, other)
    handle = await start(worker, one_step())
    await handle.result()
    step = (await progress(handle)).steps[0]
    assert (step.provider, step.attempts) == ("other", 2)
    assert [len(adapter.calls), len(other.calls)] == [1, 1]


async def test_a_short_rest_is_waited_for(start_worker: StartWorker) -> None:
    tired = fail(RateLimited("soon", retry_after=timedelta(milliseconds=20)))
    adapter = ScriptedAdapter(tired, answer())
    other = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(adapter, other)
    await (await start(worker, one_step())).result()
    assert [len(adapter.calls), len(other.calls)] == [2, 0]


@pytest.mark.parametrize("max_fallbacks", [0, 1])
async def test_nobody_waits_for_a_provider_beyond_the_runs_time(
    start_worker: StartWorker, max_fallbacks: int
) -> None:
    error = RateLimited("later", retry_after=timedelta(seconds=25))
    adapter = ScriptedAdapter(fail(error))
    other = ScriptedAdapter(fail(error), name="other", tier=QualityTier.BASIC)
    worker = await start_worker(adapter, other)
    handle = await start(worker, one_step(20, max_fallbacks=max_fallbacks))
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "all_providers_failed"
    told = ErrorInfo.model_validate(caught.value.cause.details[0]).candidates or ()
    assert [one.code for one in told] == ["rate_limited"] * (1 + max_fallbacks)
    assert [len(adapter.calls), len(other.calls)] == [1, max_fallbacks]


async def test_the_last_candidate_is_waited_for_while_the_run_has_time(
    start_worker: StartWorker,
) -> None:
    adapter = ScriptedAdapter(fail(RateLimited("later", retry_after=LONG)))
    worker = await start_worker(adapter)
    handle = await start(worker, one_step())
    waits: list[float] = []

    async def is_waiting() -> bool:
        pending = (await handle.describe()).raw_description.pending_activities
        waits.extend(one.current_retry_interval.ToSeconds() for one in pending)
        return bool(waits and waits[-1])

    await eventually(is_waiting, "the retry is planned")
    assert waits[-1] == LONG.total_seconds()
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert (await progress(handle)).steps[0].status == StepState.CANCELLED
