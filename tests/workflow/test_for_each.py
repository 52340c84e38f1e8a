"""A step for each item of a list: in order, some at a time, each with a chain of its own."""

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from events.store import EventStore
from events.types import EventType, PipelineEvent
from pipelines.builder import Pipeline
from pipelines.model import PipelineDefinition
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.errors import InvalidRequest, ProviderFault
from providers.types import Capability, QualityTier, SummarizationResponse, Usage
from tests.runs import RunningWorker, StartWorker, plain, progress, start
from tests.scripted import ScriptedAdapter
from workflows.types import StepState

TEXTS = ["a", "b", "c", "d", "e"]


def each(**step: Any) -> PipelineDefinition:
    """Summarise every text; arguments are settings of the step."""
    pipeline = (
        Pipeline("each")
        .step("short")
        .capability(Capability.SUMMARIZATION)
        .with_retry(max_attempts=1)
        .done()
        .build()
    )
    (only,) = pipeline.steps
    items = {"for_each": "texts", "input": {"text": "item + string(index)"}}
    changed = only.model_copy(update=items | step)
    return pipeline.model_copy(update={"steps": (changed,)})


class Echo(ScriptedAdapter):
    """Answers with the request's text; fails for some, hangs for others; counts who is asked."""

    def __init__(
        self,
        *,
        fails_at: str = "",
        error: Exception | None = None,
        hangs_at: str = "",
        **settings: Any,
    ) -> None:
        super().__init__(self._echo, capabilities=[Capability.SUMMARIZATION], **settings)
        self._fails_at, self._hangs_at = fails_at, hangs_at
        self._error = error or InvalidRequest("too odd")
        self._hang: set[str] = set()
        self.hanging = asyncio.Event()  # all of them do
        self.cancelled = 0
        self.at_once, self.most_at_once = 0, 0

    async def _echo(self, call: ProviderCall, report: ReportProgress) -> ProviderAnswer:
        text = call.request.model_dump()["text"]
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if text[0] in self._hangs_at:
                self._hang.add(text)
                if len(self._hang) == len(self._hangs_at):
                    self.hanging.set()
                await asyncio.Event().wait()
            if text[0] in self._fails_at:
                if self._hangs_at:
                    await self.hanging.wait()
                raise self._error
            report(1)
            return ProviderAnswer(SummarizationResponse(text=text), Usage(characters=1))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1


async def run(
    worker: RunningWorker, definition: PipelineDefinition, texts: list[str] | None = None
) -> WorkflowHandle[Any, Any]:
    data = {"texts": TEXTS if texts is None else texts}
    handle = await start(worker, definition, input_data=data)
    with suppress(WorkflowFailureError):
        await handle.result()
    projection, _ = await EventStore(worker.client).read(handle.id)
    assert plain(projection.status) == plain(await progress(handle))
    return handle


async def events_of(worker: RunningWorker, handle: WorkflowHandle[Any, Any]) -> list[PipelineEvent]:
    _, events = await EventStore(worker.client).read(handle.id)
    return list(events)


async def output_of(handle: WorkflowHandle[Any, Any]) -> Any:
    return (await handle.result())["output"]["short"]


async def test_results_are_in_the_order_of_the_items_and_some_are_worked_on_at_a_time(
    start_worker: StartWorker,
) -> None:
    adapter = Echo()
    worker = await start_worker(adapter)
    handle = await run(worker, each(max_parallel=2))
    assert await output_of(handle) == [{"text": f"{text}{at}"} for at, text in enumerate(TEXTS)]
    assert adapter.most_at_once <= 2
    (step,) = (await progress(handle)).steps
    assert (step.status, step.attempts) == (StepState.COMPLETED, 5)
    assert step.cost_usd == Decimal("0.005")


async def test_each_item_has_its_events_its_cost_and_its_line_and_the_step_ends_once(
    start_worker: StartWorker,
) -> None:
    worker = await start_worker(Echo())
    handle = await run(worker, each())
    events = await events_of(worker, handle)
    kinds = [event.event_type for event in events]
    assert kinds.count(EventType.STEP_STARTED) == kinds.count(EventType.STEP_COMPLETED) == 1
    costs = [event for event in events if event.event_type == EventType.COST_INCURRED]
    assert sorted((event.data or {})["item"] for event in costs) == [0, 1, 2, 3, 4]
    percents = [event.progress_percent for event in events]
    assert percents == sorted(percents)
    assert {20.0, 40.0, 60.0, 80.0} <= set(percents)
    assert sorted(line.item or 0 for line in await worker.lines_of(handle.id)) == [0, 1, 2, 3, 4]


async def test_an_item_goes_on_to_the_next_candidate_by_itself(start_worker: StartWorker) -> None:
    first = Echo(fails_at="c", error=ProviderFault("down"))
    second = Echo(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(first, second)
    handle = await run(worker, each())
    assert (await output_of(handle))[2] == {"text": "c2"}
    assert [call.request.model_dump()["text"] for call in second.calls] == ["c2"]
    retries = [
        event.data
        for event in await events_of(worker, handle)
        if event.event_type == EventType.STEP_RETRYING
    ]
    assert retries == [{"item": 2, "fallback_from": "scripted"}]


async def test_a_failed_item_is_collected_where_the_step_says_so(start_worker: StartWorker) -> None:
    worker = await start_worker(Echo(fails_at="bd"))
    handle = await run(worker, each(on_item_error="collect"))
    output = await output_of(handle)
    assert [set(result) for result in output] == [
        {"text"},
        {"error"},
        {"text"},
        {"error"},
        {"text"},
    ]
    assert (output[1]["error"]["code"], output[1]["error"]["step"]) == ("invalid_request", "short")
    assert (await progress(handle)).steps[0].status == StepState.COMPLETED


@pytest.mark.parametrize("optional", [False, True])
async def test_a_failed_item_fails_its_step_and_what_runs_beside_it_is_asked_to_end(
    start_worker: StartWorker, optional: bool
) -> None:
    adapter = Echo(fails_at="a", hangs_at="bcd")
    worker = await start_worker(adapter)
    handle = await run(worker, each(optional=optional, max_parallel=4))
    status = await progress(handle)
    assert adapter.cancelled == 3
    assert len(adapter.calls) == 4, "the fifth was never asked"
    assert status.steps[0].status == StepState.FAILED
    assert status.status == ("completed" if optional else "failed")
    if optional:
        assert await output_of(handle) is None


async def test_without_items_the_step_is_done_and_nobody_is_asked(
    start_worker: StartWorker,
) -> None:
    adapter = Echo()
    worker = await start_worker(adapter)
    handle = await run(worker, each(), [])
    assert await output_of(handle) == []
    assert adapter.calls == []
    kinds = [event.event_type for event in await events_of(worker, handle)]
    assert EventType.STEP_COMPLETED in kinds
    assert (await progress(handle)).steps[0].status == StepState.COMPLETED


@pytest.mark.parametrize(
    ("for_each", "reason"), [("texts.size()", "no list"), ("texts.nothing", "can't be evaluated")]
)
async def test_what_is_no_list_fails_the_step(
    start_worker: StartWorker, for_each: str, reason: str
) -> None:
    worker = await start_worker(Echo())
    handle = await run(worker, each(for_each=for_each))
    error = (await progress(handle)).error
    assert error is not None
    assert (error.code, error.step) == ("expression", "short")
    assert reason in error.message


async def test_a_run_with_items_under_way_is_cancelled(start_worker: StartWorker) -> None:
    adapter = Echo(hangs_at="abcde")
    worker = await start_worker(adapter)
    handle = await start(worker, each(), input_data={"texts": TEXTS})
    await adapter.hanging.wait()
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert adapter.at_once == 0
    status = await progress(handle)
    assert (status.status, status.steps[0].status) == ("cancelled", StepState.CANCELLED)


async def test_five_hundred_items(start_worker: StartWorker) -> None:
    worker = await start_worker(Echo())
    handle = await run(worker, each(max_parallel=50), ["x"] * 500)
    assert [result["text"] for result in await output_of(handle)] == [f"x{at}" for at in range(500)]
    assert (await progress(handle)).total_cost_usd == Decimal("0.5")
