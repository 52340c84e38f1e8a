"""Hard limits hold while a run goes on: before each call, over retries, after a cancellation."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from pipelines.model import PipelineDefinition
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.adapters.simulated import SimulatedAdapter
from providers.errors import ProviderFault
from providers.simulated_books import FILE_NAME, SimulatedBooks
from providers.simulated_script import SimulatedProvider
from providers.types import Capability, QualityTier, Usage
from settings import BudgetPolicy, Settings
from tests.dialects import DIALECTS, Dialect
from tests.fake_vendor import serve_fake_vendor
from tests.runs import RunningWorker, StartWorker, progress, redact_then_summarize, start
from tests.scripted import Act, BoundedAdapter, Hang, ScriptedAdapter, answer, fail
from workflows.types import ExecutionStatus, RunStatus, StepState

TENANT = "tenant-1"
NOTHING = Decimal(0)
CALL = Decimal("0.01")
"""What a call to `BoundedAdapter` costs, and its bound."""


class Costly(BoundedAdapter):
    """Its calls may cost more than they do."""

    def __init__(self, *acts: Act, bound: int, **offer: Any) -> None:
        super().__init__(*acts, **offer)
        self._bound = bound

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:
        del call
        return (Usage(characters=self._bound),)


async def limit(
    worker: RunningWorker, usd: str, policy: BudgetPolicy = BudgetPolicy.HARD_BLOCK
) -> None:
    await worker.ledger.budgets.set_limit(TENANT, Decimal(usd), policy)


def redaction(**fields: Any) -> PipelineDefinition:
    """The first step alone; arguments are settings of it."""
    definition = redact_then_summarize()
    step = definition.steps[0].model_copy(update=fields)
    return definition.model_copy(update={"steps": (step,)})


async def outcome(handle: WorkflowHandle[Any, Any]) -> ExecutionStatus:
    """Wait for the run's end, good or bad."""
    with suppress(WorkflowFailureError):
        await handle.result()
    return await progress(handle)


def codes_of(status: ExecutionStatus) -> list[str]:
    """Return the last error of each candidate of the step that failed."""
    assert status.error is not None
    return [candidate.code for candidate in status.error.candidates or ()]


async def held(worker: RunningWorker) -> tuple[Decimal, Decimal]:
    """Return what the month has spent and what is reserved."""
    account = await worker.ledger.budgets.account(TENANT)
    return account.spent_usd, account.reserved_usd


# A tenant's month.


async def test_a_run_completes_within_its_tenants_hard_limit(start_worker: StartWorker) -> None:
    taken = []

    async def look_and_answer(call: ProviderCall, report: ReportProgress) -> ProviderAnswer:
        taken.append(await held(worker))
        return await answer()(call, report)

    adapter = BoundedAdapter(look_and_answer)
    worker = await start_worker(adapter)
    await limit(worker, "0.03")
    status = await outcome(await start(worker, redact_then_summarize()))
    assert (status.status, status.total_cost_usd) == (RunStatus.COMPLETED, 2 * CALL)
    assert await held(worker) == (2 * CALL, NOTHING)
    assert all(sum(month) <= Decimal("0.03") for month in taken)
    assert [spent for spent, _ in taken] == [0, CALL]
    assert all(reserved >= CALL for _, reserved in taken), "the call's bound is held before it"


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda one: one.name)
async def test_a_language_model_is_asked_under_a_hard_limit(
    start_worker: StartWorker, dialect: Dialect[Any]
) -> None:
    async with serve_fake_vendor() as vendor:
        vendor.stream(*dialect.told(json.dumps({"found": []})))
        worker = await start_worker(dialect.adapter(vendor.url))
        await limit(worker, "0.01")
        status = await outcome(await start(worker, redaction()))
        await worker.registry.close()
    assert (status.status, status.total_cost_usd) == (RunStatus.COMPLETED, Decimal("0.00011"))
    assert await held(worker) == (Decimal("0.00011"), NOTHING)


@pytest.mark.parametrize("optional", [False, True])
async def test_a_call_whose_bound_does_not_fit_stops_the_run(
    start_worker: StartWorker, *, optional: bool
) -> None:
    cheap = BoundedAdapter(capabilities=[Capability.PII_REDACTION])
    costly = Costly(name="costly", bound=100, capabilities=[Capability.SUMMARIZATION])
    worker = await start_worker(cheap, costly)
    await limit(worker, "0.1")
    status = await outcome(await start(worker, redact_then_summarize(optional=optional)))
    assert status.error is not None
    assert (status.status, status.error.code) == (RunStatus.FAILED, "budget_exceeded")
    assert "needs 0.1 USD" in status.error.message
    assert [step.status for step in status.steps] == [StepState.COMPLETED, StepState.FAILED]
    assert (len(cheap.calls), len(costly.calls)) == (1, 0)
    assert status.total_cost_usd == CALL
    assert await held(worker) == (CALL, NOTHING)


async def test_a_candidate_without_a_bound_is_passed_over(start_worker: StartWorker) -> None:
    unbounded = ScriptedAdapter(name="unbounded", tier=QualityTier.PREMIUM)
    bounded = BoundedAdapter(tier=QualityTier.BASIC)
    worker = await start_worker(unbounded, bounded)
    await limit(worker, "0.05")
    handle = await start(worker, redact_then_summarize())
    status = await outcome(handle)
    assert status.status == RunStatus.COMPLETED
    assert {step.provider for step in status.steps} == {"scripted"}
    assert not unbounded.calls
    assert {line.provider for line in await worker.lines_of(handle.id)} == {"scripted"}


async def test_a_step_that_nobody_can_do_within_a_bound_fails_as_its_chain_does(
    start_worker: StartWorker,
) -> None:
    unbounded = ScriptedAdapter(capabilities=[Capability.SUMMARIZATION])
    redactor = BoundedAdapter(name="redactor", capabilities=[Capability.PII_REDACTION])
    worker = await start_worker(unbounded, redactor)
    await limit(worker, "0.05")
    status = await outcome(await start(worker, redact_then_summarize()))
    assert status.status == RunStatus.FAILED
    assert codes_of(status) == ["unbounded_call"]
    optional = await outcome(await start(worker, redact_then_summarize(optional=True)))
    assert optional.status == RunStatus.COMPLETED
    assert not unbounded.calls


async def test_a_price_that_nobody_knows_is_no_bound(start_worker: StartWorker) -> None:
    worker = await start_worker(adapter := BoundedAdapter(price=None))
    await limit(worker, "0.05")
    status = await outcome(await start(worker, redact_then_summarize()))
    assert codes_of(status) == ["unbounded_call"]
    assert not adapter.calls


class Unasked(ScriptedAdapter):
    """Works out no bound where none is needed: it may take decoding an hour of sound."""

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:
        raise AssertionError(call)


@pytest.mark.parametrize("policy", [BudgetPolicy.WARN, BudgetPolicy.SOFT_BLOCK])
async def test_without_a_hard_limit_nobody_asks_for_bounds(
    start_worker: StartWorker, policy: BudgetPolicy
) -> None:
    worker = await start_worker(Unasked())
    await limit(worker, "0.05", policy)
    status = await outcome(await start(worker, redact_then_summarize()))
    assert status.status == RunStatus.COMPLETED


async def test_a_limit_that_becomes_hard_holds_for_the_next_call(
    start_worker: StartWorker,
) -> None:
    async def harden_and_answer(call: ProviderCall, report: ReportProgress) -> ProviderAnswer:
        await limit(worker, "5")
        return await answer()(call, report)

    worker = await start_worker(adapter := ScriptedAdapter(harden_and_answer))
    await limit(worker, "5", BudgetPolicy.WARN)
    status = await outcome(await start(worker, redact_then_summarize()))
    assert codes_of(status) == ["unbounded_call"]
    assert len(adapter.calls) == 1


# A run's cap.


@pytest.mark.parametrize("where", ["run", "definition"])
@pytest.mark.parametrize("policy", BudgetPolicy)
async def test_a_retry_does_not_reset_a_runs_cap(
    start_worker: StartWorker, policy: BudgetPolicy, where: str
) -> None:
    paid = ProviderFault("no JSON", usage=Usage(characters=10))
    worker = await start_worker(adapter := BoundedAdapter(fail(paid)))
    await limit(worker, "5", policy)
    definition, cap = redact_then_summarize(), {"max_cost_usd": Decimal("0.025")}
    if where == "definition":
        definition, cap = definition.model_copy(update=cap), {}
    handle = await start(worker, definition, **cap)
    status = await outcome(handle)
    assert status.error is not None
    assert status.error.code == "budget_exceeded"
    assert "cap of 0.025 USD: 0.02 USD are spent" in status.error.message
    assert len(adapter.calls) == 2, "the step may try three times, and has money for two"
    assert status.total_cost_usd == 2 * CALL
    costs = [(line.attempt, line.cost_usd) for line in await worker.lines_of(handle.id)]
    assert costs == [(1, CALL), (2, CALL)]


async def test_an_attempt_that_may_have_been_sold_counts_against_the_cap(
    start_worker: StartWorker, hang: Hang
) -> None:
    worker = await start_worker(adapter := BoundedAdapter(hang, answer()))
    definition = redaction(timeout=0.3)
    status = await outcome(await start(worker, definition, max_cost_usd=Decimal("0.019")))
    assert status.error is not None
    assert status.error.code == "budget_exceeded"
    assert len(adapter.calls) == 1
    assert (status.total_cost_usd, status.known_cost_usd) == (None, NOTHING)
    assert (await held(worker))[1] == CALL, "it may still turn out to have been sold"


# An answer that is cut short.


class Watched(SimulatedAdapter):
    """Tells when half of the answer has come."""

    def __init__(self, provider: SimulatedProvider, books: SimulatedBooks) -> None:
        super().__init__(provider, books)
        self.half = asyncio.Event()

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        def report(fraction: float) -> None:
            report_progress(fraction)
            if fraction >= 1 / 2:
                self.half.set()

        return await super().call(call, report)


@pytest.fixture
async def simulated(settings: Settings) -> AsyncIterator[tuple[Watched, SimulatedBooks]]:
    """Sell characters, and stop in the middle of the fourth chunk of six."""
    script = [{"do": "hang", "chunks": 6, "after": 3}]
    entry = {"name": "sim", "cost_unit": "character", "price": "0.001", "script": script}
    books = SimulatedBooks(settings.ai_data_dir / FILE_NAME)
    adapter = Watched(SimulatedProvider.model_validate(entry), books)
    yield adapter, books
    await adapter.close()


async def test_cancelling_in_the_middle_of_an_answer_records_the_part_used(
    start_worker: StartWorker, simulated: tuple[Watched, SimulatedBooks]
) -> None:
    adapter, books = simulated
    worker = await start_worker(adapter)
    await limit(worker, "0.05")
    handle = await start(worker, redaction(), input_data={"text": "x" * 12})
    await adapter.half.wait()
    assert await held(worker) == (NOTHING, Decimal("0.012")), "the bound is exact"
    await handle.cancel()
    status = await outcome(handle)
    (line,) = await worker.lines_of(handle.id)
    assert (line.state, line.usage) == ("cancelled", {"characters": 6})
    assert line.cost_usd == status.total_cost_usd == books.total() == Decimal("0.006")
    assert status.status == RunStatus.CANCELLED
    assert await held(worker) == (Decimal("0.006"), NOTHING)
