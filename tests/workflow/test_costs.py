"""Money that was spent is accounted for, however the call ended, on a real server."""

import asyncio
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.call import ProviderActivities
from activities.types import CallFailure, CallProviderInput, Candidate
from artifacts.fetch import Fetcher
from artifacts.store import ArtifactStore, artifacts
from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.runs import RunRequest
from ledger.tables import reservations
from observability.metrics import get_ai_metrics
from pipelines.model import PipelineDefinition, RetryPolicy
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.errors import (
    InvalidRequest,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
)
from providers.registry import CapabilityRegistry
from providers.types import CostUnit, QualityTier, RedactionResponse, Usage
from settings import Settings
from tests.runs import RunningWorker, StartWorker, progress, redact_then_summarize, start
from tests.scripted import Act, Hang, ScriptedAdapter, answer, fail
from workflows.types import ExecutionStatus

USED = Usage(characters=7)


async def attempts_of(
    worker: RunningWorker, handle: WorkflowHandle[Any, Any]
) -> list[tuple[str, int, str, Decimal | None]]:
    """Return step, number, state and cost of a run's attempts."""
    return [
        (line.step, line.attempt, line.state, line.cost_usd)
        for line in await worker.lines_of(handle.id)
    ]


async def status_of_failed(handle: WorkflowHandle[Any, Any]) -> ExecutionStatus:
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    return await progress(handle)


def with_short_first_step(seconds: float) -> PipelineDefinition:
    definition = redact_then_summarize()
    first = definition.steps[0].model_copy(update={"timeout": seconds})
    return definition.model_copy(update={"steps": (first, definition.steps[1])})


async def test_a_refusal_that_was_paid_for_has_its_entry(start_worker: StartWorker) -> None:
    worker = await start_worker(ScriptedAdapter(fail(Refused("no", usage=USED))))
    handle = await start(worker, redact_then_summarize())
    status = await status_of_failed(handle)
    assert await attempts_of(worker, handle) == [("redact", 1, "confirmed", Decimal("0.007"))]
    assert status.total_cost_usd == Decimal("0.007")


async def test_every_attempt_that_was_paid_for_is_in_the_cost_of_its_step(
    start_worker: StartWorker,
) -> None:
    unreadable = fail(ProviderFault("no JSON", usage=USED))
    worker = await start_worker(ScriptedAdapter(unreadable, unreadable, answer(characters=10)))
    handle = await start(worker, redact_then_summarize())
    await handle.result()
    status = await progress(handle)
    assert [step.cost_usd for step in status.steps] == [Decimal("0.024"), Decimal("0.01")]
    assert status.total_cost_usd == Decimal("0.034")


async def test_a_candidate_that_failed_after_it_was_paid_is_part_of_the_total(
    start_worker: StartWorker,
) -> None:
    first = ScriptedAdapter(fail(ProviderUnavailable("gone", usage=USED)))
    second = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(first, second)
    handle = await start(worker, redact_then_summarize())
    await handle.result()
    status = await progress(handle)
    assert status.total_cost_usd == Decimal("0.034")
    assert [step.cost_usd for step in status.steps] == [Decimal("0.017"), Decimal("0.017")]


async def test_a_step_of_which_one_candidate_may_have_been_sold_has_no_known_cost(
    start_worker: StartWorker, hang: Hang
) -> None:
    second = ScriptedAdapter(name="other", tier=QualityTier.BASIC)
    worker = await start_worker(ScriptedAdapter(hang), second)
    step = redact_then_summarize().steps[0]
    once = step.model_copy(update={"timeout": 0.3, "retry": RetryPolicy(max_attempts=1)})
    definition = redact_then_summarize().model_copy(update={"steps": (once,)})
    handle = await start(worker, definition)
    await handle.result()
    status = await progress(handle)
    assert [step.cost_usd for step in status.steps] == [None]
    assert (status.total_cost_usd, status.known_cost_usd) == (None, Decimal("0.01"))


@pytest.mark.parametrize(
    "error",
    [
        RateLimited("slow"),
        ProviderUnavailable("no key"),
        QuotaExhausted("no credit"),
        InvalidRequest("too odd"),
        ProviderFault("connection refused"),
    ],
    ids=lambda error: error.code,
)
async def test_an_error_that_cost_nothing_is_a_line_without_cost(
    start_worker: StartWorker, error: ProviderError
) -> None:
    worker = await start_worker(ScriptedAdapter(fail(error)))
    handle = await start(worker, redact_then_summarize())
    status = await status_of_failed(handle)
    lines = await worker.lines_of(handle.id)
    assert {(line.state, line.outcome, line.cost_usd) for line in lines} == {
        ("confirmed", error.code, Decimal(0))
    }
    assert [line.usage for line in lines] == [None] * len(lines)
    assert status.total_cost_usd == 0


async def test_an_attempt_that_took_too_long_makes_the_total_unknown(
    start_worker: StartWorker, hang: Hang
) -> None:
    worker = await start_worker(ScriptedAdapter(hang, answer(characters=7)))
    handle = await start(worker, with_short_first_step(0.3))
    await handle.result()
    assert (await attempts_of(worker, handle))[:2] == [
        ("redact", 1, "unconfirmed", None),
        ("redact", 2, "confirmed", Decimal("0.007")),
    ]
    status = await progress(handle)
    assert (status.total_cost_usd, status.known_cost_usd) == (None, Decimal("0.014"))
    assert [step.cost_usd for step in status.steps] == [None, Decimal("0.007")]


async def test_a_cancelled_call_makes_the_total_unknown(
    start_worker: StartWorker, hang: Hang
) -> None:
    worker = await start_worker(ScriptedAdapter(answer(characters=7), hang))
    handle = await start(worker, redact_then_summarize())
    await hang.entered.wait()
    await handle.cancel()
    status = await status_of_failed(handle)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
    assert await attempts_of(worker, handle) == [
        ("redact", 1, "confirmed", Decimal("0.007")),
        ("summarize", 1, "unconfirmed", None),
    ]
    assert (status.total_cost_usd, status.known_cost_usd) == (None, Decimal("0.007"))


class ToldHang(Hang):
    """Hangs, and tells what it used when it is cancelled."""

    def __init__(self, usage: Usage | None) -> None:
        super().__init__()
        self._usage = usage

    async def __call__(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        try:
            return await super().__call__(call, report_progress)
        except asyncio.CancelledError:
            call.report_usage(self._usage)
            raise


@pytest.mark.parametrize(
    ("usage", "total"), [(USED, Decimal("0.007")), (Usage(), None), (None, Decimal(0))], ids=str
)
async def test_a_cancelled_call_costs_what_its_provider_told(
    start_worker: StartWorker, usage: Usage | None, total: Decimal | None
) -> None:
    hang = ToldHang(usage)
    worker = await start_worker(ScriptedAdapter(hang))
    handle = await start(worker, redact_then_summarize())
    await hang.entered.wait()
    await handle.cancel()
    assert (await status_of_failed(handle)).total_cost_usd == total


async def test_a_cancelled_call_of_a_free_provider_cost_nothing(
    start_worker: StartWorker, hang: Hang
) -> None:
    free = ScriptedAdapter(hang, price=Decimal(0), cost_unit=CostUnit.FREE)
    worker = await start_worker(free)
    handle = await start(worker, redact_then_summarize())
    await hang.entered.wait()
    await handle.cancel()
    assert (await status_of_failed(handle)).total_cost_usd == 0
    assert await attempts_of(worker, handle) == [("redact", 1, "cancelled", Decimal(0))]


async def test_a_run_that_took_too_long_has_an_unknown_total(
    start_worker: StartWorker, hang: Hang
) -> None:
    worker = await start_worker(ScriptedAdapter(hang))
    definition = redact_then_summarize().model_copy(update={"timeout": 1})
    handle = await start(worker, definition)
    assert (await status_of_failed(handle)).total_cost_usd is None


CALL = CallProviderInput(
    tenant_id="tenant-1",
    execution_id="exec-1",
    pipeline="two_steps@1.0.0",
    step=redact_then_summarize().steps[0],
    candidate=Candidate(provider="scripted", model="model-1"),
    call_id="exec-1/redact/0",
    earlier_attempts=0,
    context={"text": "Jane called"},
    position=0,
    scheduled_at=datetime(2026, 11, 24, tzinfo=UTC),
)


def provider_activities(
    settings: Settings, engine: AsyncEngine, adapter: ScriptedAdapter
) -> ProviderActivities:
    return ProviderActivities(
        CapabilityRegistry([adapter]),
        Ledger(engine, Budget.of(settings)),
        ArtifactStore(engine, settings.ai_data_dir / "artifacts", max_bytes=1 << 20),
        Fetcher(allowed_hosts=(), max_bytes=1, folder=settings.ai_data_dir),
        get_ai_metrics(),
    )


@pytest.mark.parametrize("act", [answer(characters=7), fail(Refused("no", usage=USED))])
async def test_a_cancellation_waits_until_the_entry_is_written(
    settings: Settings, engine: AsyncEngine, act: Act
) -> None:
    called, go_on, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def tell_and_act(call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        called.set()
        await go_on.wait()
        answered.set()
        return await act(call, report_progress)

    activities = provider_activities(settings, engine, ScriptedAdapter(tell_and_act))
    ledger = Ledger(engine, Budget.of(settings))
    await ledger.runs.reserve(RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", Decimal(0)))
    environment = ActivityEnvironment()
    running = asyncio.create_task(environment.run(activities.call_provider, CALL))
    await called.wait()
    async with engine.begin() as other:
        await other.execute(select(reservations).with_for_update())  # nobody else can book
        go_on.set()
        await answered.wait()
        for _ in range(2):
            running.cancel()
            done, _ = await asyncio.wait([running], timeout=0.1)
            assert not done
    with pytest.raises(asyncio.CancelledError):
        await running
    invoice = await ledger.reports.invoice("exec-1")
    assert invoice is not None
    assert [(line.state, line.cost_usd) for line in invoice.lines] == [
        ("confirmed", Decimal("0.007"))
    ]


async def test_a_worker_that_wakes_after_its_successor_answered_is_booked_as_a_duplicate(
    settings: Settings, engine: AsyncEngine
) -> None:
    """The sleeper was taken for dead; it has asked the provider, and gets its answer late."""
    asked, wakes = asyncio.Event(), asyncio.Event()

    async def sleep(call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        asked.set()
        await wakes.wait()
        return await answer(characters=7)(call, report_progress)

    activities = provider_activities(settings, engine, ScriptedAdapter(sleep, answer(characters=7)))
    ledger = Ledger(engine, Budget.of(settings))
    await ledger.runs.reserve(RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", Decimal(0)))
    first, second = ActivityEnvironment(), ActivityEnvironment()
    second.info = replace(second.info, attempt=2)
    sleeping = asyncio.create_task(first.run(activities.call_provider, CALL))
    await asked.wait()
    answered = await second.run(activities.call_provider, CALL)
    assert answered.cost_usd is None, "nobody knows whether the sleeper has been sold anything"
    settled = await ledger.runs.settle("exec-1")
    wakes.set()
    await sleeping
    invoice = await ledger.reports.invoice("exec-1")
    assert invoice is not None
    assert [(line.attempt, line.cost_usd, line.duplicate) for line in invoice.lines] == [
        (1, Decimal("0.007"), True),
        (2, Decimal("0.007"), False),
    ]
    assert settled.total.known == Decimal("0.007")
    assert (await ledger.budgets.account("tenant-1")).spent_usd == Decimal("0.014")
    assert await ledger.reports.verify() == []


async def test_a_retry_of_an_answered_call_asks_nobody(
    settings: Settings, engine: AsyncEngine
) -> None:
    adapter = ScriptedAdapter(answer(characters=7))
    activities = provider_activities(settings, engine, adapter)
    ledger = Ledger(engine, Budget.of(settings))
    await ledger.runs.reserve(RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", Decimal(0)))
    first, again = ActivityEnvironment(), ActivityEnvironment()
    again.info = replace(again.info, attempt=2)
    answered = await first.run(activities.call_provider, CALL)
    assert await again.run(activities.call_provider, CALL) == answered
    assert len(adapter.calls) == 1


LARGE = answer(RedactionResponse(text="x" * 70_000, entities=()))


async def test_a_large_answer_is_an_artifact_until_the_run_settles(
    start_worker: StartWorker, engine: AsyncEngine, hang: Hang
) -> None:
    async def stored() -> int:
        async with engine.connect() as connection:
            query = select(func.count()).select_from(artifacts)
            return int((await connection.execute(query)).scalar_one())

    worker = await start_worker(ScriptedAdapter(LARGE, hang))
    handle = await start(worker, redact_then_summarize())
    await hang.entered.wait()
    assert await stored() == 1
    await handle.cancel()
    await status_of_failed(handle)
    assert await stored() == 0


async def test_a_retry_gets_a_large_answer_too(settings: Settings, engine: AsyncEngine) -> None:
    adapter = ScriptedAdapter(LARGE)
    activities = provider_activities(settings, engine, adapter)
    ledger = Ledger(engine, Budget.of(settings))
    await ledger.runs.reserve(RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", Decimal(0)))
    first, again = ActivityEnvironment(), ActivityEnvironment()
    again.info = replace(again.info, attempt=2)
    answered = await first.run(activities.call_provider, CALL)
    assert len(await ledger.runs.stored_answers("exec-1")) == 1
    assert await again.run(activities.call_provider, CALL) == answered
    assert len(adapter.calls) == 1


async def test_a_worker_without_the_provider_counts_no_attempt(
    settings: Settings, engine: AsyncEngine
) -> None:
    activities = provider_activities(settings, engine, ScriptedAdapter(name="another"))
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(activities.call_provider, CALL)
    failure = CallFailure.model_validate(caught.value.details[0])
    assert (failure.code, failure.fallback, failure.attempt) == ("provider_unavailable", True, 0)


async def test_a_number_that_was_used_before_is_no_way_past_the_ledger(
    settings: Settings, engine: AsyncEngine
) -> None:
    """A run that was reset may make a call again, under the same id and as its first attempt."""
    adapter = ScriptedAdapter(answer(characters=7))
    activities = provider_activities(settings, engine, adapter)
    ledger = Ledger(engine, Budget.of(settings))
    run = RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", Decimal(0))
    await ledger.runs.reserve(run)
    await ActivityEnvironment().run(activities.call_provider, CALL)
    await ledger.runs.settle("exec-1")
    await ActivityEnvironment().run(activities.call_provider, CALL)
    assert len(adapter.calls) == 2
    assert (await ledger.budgets.account("tenant-1")).spent_usd == Decimal("0.014")
    assert await ledger.reports.verify() == []


async def test_an_answer_that_is_gone_is_bought_anew_with_an_intent(
    settings: Settings, engine: AsyncEngine
) -> None:
    adapter = ScriptedAdapter(LARGE)
    activities = provider_activities(settings, engine, adapter)
    ledger = Ledger(engine, Budget.of(settings))
    await ledger.runs.reserve(RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", Decimal(0)))
    await ActivityEnvironment().run(activities.call_provider, CALL)
    shutil.rmtree(settings.ai_data_dir / "artifacts")
    (settings.ai_data_dir / "artifacts" / "incoming").mkdir(parents=True)
    again = ActivityEnvironment()
    again.info = replace(again.info, attempt=2)
    await again.run(activities.call_provider, CALL)
    invoice = await ledger.reports.invoice("exec-1")
    assert invoice is not None
    assert [(line.attempt, line.state) for line in invoice.lines] == [
        (1, "confirmed"),
        (2, "confirmed"),
    ]


async def test_an_answer_that_can_not_be_stored_is_paid_for_once_and_not_bought_again(
    settings: Settings, engine: AsyncEngine
) -> None:
    activities = provider_activities(settings, engine, ScriptedAdapter(LARGE))
    ledger = Ledger(engine, Budget.of(settings))
    await ledger.runs.reserve(RunRequest("tenant-1", "exec-1", "two_steps@1.0.0", Decimal(0)))
    shutil.rmtree(settings.ai_data_dir / "artifacts")
    with pytest.raises(ApplicationError) as caught:
        await ActivityEnvironment().run(activities.call_provider, CALL)
    assert (caught.value.type, caught.value.non_retryable) == ("answer_not_kept", True)
    invoice = await ledger.reports.invoice("exec-1")
    assert invoice is not None
    assert [(line.state, line.cost_usd) for line in invoice.lines] == [
        ("confirmed", Decimal("0.01"))
    ]
