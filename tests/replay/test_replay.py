"""Recorded histories: each replays against today's workflow and gives the same events.

A change of the workflow that breaks a running execution breaks a test here. `pytest tests/replay
--record` runs every scenario on the real server and writes its history; commit a new file for new
behaviour, and never rewrite an old one to make this pass.
"""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from events.history import HistoryReader, RunCreated
from events.projection import Projection
from pipelines.builder import Pipeline
from pipelines.model import PipelineDefinition
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.errors import InvalidRequest, ProviderFault, ProviderUnavailable
from providers.types import Capability, CostUnit, QualityTier
from tests.runs import StartWorker, eventually, redact_then_summarize, start
from tests.scripted import BoundedAdapter, Hang, ScriptedAdapter, answer, fail
from worker import workflow_runner
from workflows.pipeline import PipelineWorkflow

HISTORIES = Path(__file__).parent / "histories"
RECORDED = sorted(HISTORIES.glob("*.history.json"))

Handle = WorkflowHandle[Any, Any]


async def completed(start_worker: StartWorker) -> Handle:
    worker = await start_worker(ScriptedAdapter())
    return await start(worker, redact_then_summarize(), tags={"team": "support"})


async def skipped(start_worker: StartWorker) -> Handle:
    worker = await start_worker(ScriptedAdapter())
    return await start(worker, redact_then_summarize(when="size(redacted.text) > 500"))


async def no_provider(start_worker: StartWorker) -> Handle:
    first = ScriptedAdapter(capabilities=[Capability.PII_REDACTION])
    worker = await start_worker(first, ScriptedAdapter(name="keyless", available=False))
    return await start(worker, redact_then_summarize(optional=True))


async def retried(start_worker: StartWorker) -> Handle:
    worker = await start_worker(ScriptedAdapter(fail(ProviderFault("busy")), answer()))
    return await start(worker, redact_then_summarize())


async def fallback(start_worker: StartWorker) -> Handle:
    first = ScriptedAdapter(fail(ProviderUnavailable("no key")))
    second = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    return await start(await start_worker(first, second), redact_then_summarize())


async def optional_failed(start_worker: StartWorker) -> Handle:
    worker = await start_worker(ScriptedAdapter(answer(), fail(InvalidRequest("too odd"))))
    return await start(worker, redact_then_summarize(optional=True))


async def failed(start_worker: StartWorker) -> Handle:
    worker = await start_worker(ScriptedAdapter(answer(), fail(ProviderFault("down"))))
    return await start(worker, redact_then_summarize())


async def cancelled(start_worker: StartWorker) -> Handle:
    hang = Hang()
    handle = await start(await start_worker(ScriptedAdapter(hang)), redact_then_summarize())
    await hang.entered.wait()
    await handle.cancel(reason="no longer wanted")
    return handle


async def cancelled_by_signal(start_worker: StartWorker) -> Handle:
    hang = Hang()
    handle = await start(await start_worker(ScriptedAdapter(hang)), redact_then_summarize())
    await hang.entered.wait()
    await handle.signal("cancel", "no longer wanted")
    return handle


async def timed_out(start_worker: StartWorker) -> Handle:
    worker = await start_worker(ScriptedAdapter(Hang()))
    return await start(worker, redact_then_summarize().model_copy(update={"timeout": 1}))


async def terminated(start_worker: StartWorker) -> Handle:
    hang = Hang()
    handle = await start(await start_worker(ScriptedAdapter(hang)), redact_then_summarize())
    await hang.entered.wait()
    await handle.terminate("an operator was in a hurry")
    return handle


async def predicate(start_worker: StartWorker) -> Handle:
    definition = redact_then_summarize(code=("when",)).with_functions(
        {("summarize", "when"): lambda context: len(context["redacted"]["text"]) > 500}
    )
    worker = await start_worker(ScriptedAdapter(), functions={definition.id: definition.functions})
    return await start(worker, definition)


async def not_admitted(start_worker: StartWorker) -> Handle:
    worker = await start_worker(ScriptedAdapter())
    await worker.ledger.budgets.set_limit("tenant-1", Decimal("0.001"))
    return await start(worker, redact_then_summarize())


async def capped(start_worker: StartWorker) -> Handle:
    """The second step is one that the run could do without; a budget stops the run all the same."""
    worker = await start_worker(BoundedAdapter(answer(characters=10)))
    return await start(worker, redact_then_summarize(optional=True), max_cost_usd=Decimal("0.011"))


async def probed(start_worker: StartWorker) -> Handle:
    """A remote recording is looked at before the run is admitted; this one can't be had."""
    adapter = ScriptedAdapter(
        capabilities=[Capability.TRANSCRIPTION], cost_unit=CostUnit.MINUTE, price=Decimal(1)
    )
    step = Pipeline("hear").step("transcribe").capability(Capability.TRANSCRIPTION)
    worker = await start_worker(adapter)
    recording = {"audio_url": "https://10.0.0.5/call.wav"}
    return await start(worker, step.done().build(), input_data=recording)


def fork(**redact: Any) -> PipelineDefinition:
    """Two steps side by side; arguments are settings of the first."""
    first, second = redact_then_summarize(needs=(), input=None).steps
    return redact_then_summarize().model_copy(
        update={"steps": (first.model_copy(update=redact), second)}
    )


async def graph(start_worker: StartWorker) -> Handle:
    """The first step is skipped; the call beside it, decided in the same task, tells so."""
    return await start(await start_worker(ScriptedAdapter()), fork(when="false"))


async def graph_failed(start_worker: StartWorker) -> Handle:
    """The first step fails and the second, under way, is asked to end."""
    hang = Hang()

    async def by_capability(call: ProviderCall, report: ReportProgress) -> ProviderAnswer:
        if call.capability is Capability.SUMMARIZATION:
            return await hang(call, report)
        await hang.entered.wait()
        raise InvalidRequest("too odd")

    return await start(await start_worker(ScriptedAdapter(by_capability)), fork())


def items(**step: Any) -> PipelineDefinition:
    """A summary of each text; arguments are settings of the step."""
    _, second = redact_then_summarize().steps
    every = {"for_each": "texts", "input": {"text": "item"}, "needs": None}
    return redact_then_summarize().model_copy(
        update={"steps": (second.model_copy(update=every | step),)}
    )


async def odd_item(call: ProviderCall, report: ReportProgress) -> ProviderAnswer:
    """Refuse the second item."""
    if call.request.model_dump()["text"] == "b":
        raise InvalidRequest("too odd")
    return await answer()(call, report)


async def for_each(start_worker: StartWorker) -> Handle:
    worker = await start_worker(ScriptedAdapter(odd_item))
    collecting = items(on_item_error="collect", max_parallel=1)
    return await start(worker, collecting, input_data={"texts": ["a", "b", "c"]})


async def for_each_failed(start_worker: StartWorker) -> Handle:
    worker = await start_worker(ScriptedAdapter(odd_item))
    return await start(worker, items(max_parallel=1), input_data={"texts": ["a", "b", "c"]})


async def for_each_nothing(start_worker: StartWorker) -> Handle:
    return await start(
        await start_worker(ScriptedAdapter()), items(), input_data={"texts": list[str]()}
    )


async def expression(start_worker: StartWorker) -> Handle:
    """What goes over a mapping is evaluated once, in a local activity."""
    definition = redact_then_summarize(when="size(names.filter(name, name > 'a')) == 1")
    data = {"text": "Jane called", "names": {"a": 1, "b": 2}}
    return await start(await start_worker(ScriptedAdapter()), definition, input_data=data)


SCENARIOS: dict[str, Callable[[StartWorker], Awaitable[Handle]]] = {
    scenario.__name__: scenario
    for scenario in (
        completed,
        skipped,
        no_provider,
        retried,
        fallback,
        optional_failed,
        failed,
        cancelled,
        cancelled_by_signal,
        timed_out,
        terminated,
        predicate,
        not_admitted,
        capped,
        probed,
        graph,
        graph_failed,
        for_each,
        for_each_failed,
        for_each_nothing,
        expression,
    )
}


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_scenario_gives_the_event_types_that_are_recorded(
    name: str, start_worker: StartWorker, pytestconfig: pytest.Config
) -> None:
    handle = await SCENARIOS[name](start_worker)

    async def is_over() -> bool:
        return (await handle.describe()).close_time is not None

    await eventually(is_over, f"the end of {name}")
    history = _scrubbed(json.loads((await handle.fetch_history()).to_json()))
    events = await _events(handle.id, history)
    if pytestconfig.getoption("--record"):
        _write(f"{name}.history.json", history)
        _write(f"{name}.events.json", events)
    recorded = json.loads((HISTORIES / f"{name}.events.json").read_text())
    assert [event["event_type"] for event in events] == [event["event_type"] for event in recorded]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name.partition(".")[0])
async def test_a_recorded_history_replays(path: Path) -> None:
    history = json.loads(path.read_text())
    replayer = Replayer(
        workflows=[PipelineWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=workflow_runner(),
    )
    await replayer.replay_workflow(WorkflowHistory.from_json(_id_of(history), history))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name.partition(".")[0])
async def test_a_recorded_history_gives_the_recorded_events(path: Path) -> None:
    history = json.loads(path.read_text())
    expected = json.loads(Path(str(path).replace(".history.", ".events.")).read_text())
    assert await _events(_id_of(history), history) == expected


def test_every_scenario_is_recorded() -> None:
    assert {path.name.partition(".")[0] for path in RECORDED} >= set(SCENARIOS)


async def test_replay_notices_a_changed_order_of_commands() -> None:
    history = json.loads((HISTORIES / "completed.history.json").read_text())
    scheduled = [
        event for event in history["events"] if "activityTaskScheduledEventAttributes" in event
    ]
    scheduled[0]["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "other"
    replayer = Replayer(
        workflows=[PipelineWorkflow],
        data_converter=pydantic_data_converter,
        workflow_runner=workflow_runner(),
    )
    with pytest.raises(Exception, match=r"[Nn]ondeterminism"):
        await replayer.replay_workflow(WorkflowHistory.from_json(_id_of(history), history))


async def _events(execution_id: str, document: dict[str, Any]) -> list[dict[str, Any]]:
    reader = HistoryReader(pydantic_data_converter)
    projection: Projection | None = None
    events = []
    for event in WorkflowHistory.from_json(execution_id, document).events:
        fact = await reader.read(event)
        if isinstance(fact, RunCreated):
            projection = Projection(execution_id, fact)
        elif fact is not None and projection is not None:
            events += projection.feed(event.event_id, fact)
    return [event.model_dump(mode="json") for event in events]


def _id_of(history: dict[str, Any]) -> str:
    first = history["events"][0]["workflowExecutionStartedEventAttributes"]
    return str(first["workflowId"])


def _scrubbed(value: Any) -> Any:
    """Leave out what tells of the machine that recorded it."""
    if isinstance(value, dict):
        return {
            key: "recorder" if key == "identity" else _scrubbed(item)
            for key, item in value.items()
            if key != "stackTrace"
        }
    if isinstance(value, list):
        return [_scrubbed(item) for item in value]
    return value


def _write(name: str, value: Any) -> None:
    HISTORIES.mkdir(exist_ok=True)
    (HISTORIES / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")
