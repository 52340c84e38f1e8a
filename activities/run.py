"""`admit`, `settle` and `request_cancellation`: local activities at the edges of a run."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import structlog
from temporalio import activity
from temporalio.client import Client

from activities.answers import Answers
from activities.estimates import Estimates, reservation_of
from activities.failures import to_application_error
from activities.types import (
    ADMIT,
    REQUEST_CANCELLATION,
    SETTLE,
    Admission,
    AdmitInput,
    Candidate,
    SettleInput,
    Settlement,
    StepPlan,
    whole_ms,
)
from artifacts.store import ArtifactStore
from ledger.books import Ledger
from ledger.errors import BudgetExceeded
from observability.metrics import Metrics
from pipelines.model import StepDefinition
from providers.registry import CapabilityRegistry

log = structlog.get_logger(__name__)


class RunActivities:
    """What happens before the first step and after the last."""

    def __init__(
        self,
        client: Client,
        registry: CapabilityRegistry,
        ledger: Ledger,
        artifacts: ArtifactStore,
        metrics: Metrics,
    ) -> None:
        """Take the clients of everything that admission and settlement touch."""
        self._estimates = Estimates(registry, artifacts)
        self._answers = Answers(artifacts)
        self._client = client
        self._registry = registry
        self._ledger = ledger
        self._metrics = metrics

    @activity.defn(name=ADMIT)
    async def admit(self, run: AdmitInput) -> Admission:
        """Resolve who will be asked for each step, and confirm what is reserved for the run.

        Side effect: the reservation, where it is missing or too low. Idempotent by the execution.

        Where the length of a remote recording decides, what is known is reserved, and the run is to
        be admitted again when somebody has looked.

        Raises:
            ApplicationError: `budget_exceeded`, not retryable: the run does not fit.
        """
        expected = await self._estimates.estimate(
            run.tenant_id, run.definition, run.input_data, run.probed
        )
        try:
            needs_bounds = await self._ledger.runs.admit(reservation_of(run, expected))
        except BudgetExceeded as error:
            log.warning("run not admitted", execution_id=run.execution_id, error=str(error))
            raise to_application_error(error, attempt=0) from error
        to_probe: Sequence[str] = ()
        if run.probed is None and not expected.is_reservation_known:
            to_probe = self._estimates.to_probe(run.definition, run.input_data)
        if not to_probe:
            log.info("run admitted", execution_id=run.execution_id, pipeline=run.definition.id)
        return Admission(
            plans={step.name: self._plan(step) for step in run.definition.steps},
            needs_bounds=needs_bounds,
            to_probe=tuple(to_probe),
        )

    @activity.defn(name=SETTLE)
    async def settle(self, run: SettleInput) -> Settlement:
        """Return the authoritative account of a run.

        Side effect: what the run reserved is released, and its answers are wiped; metrics and a log
        line. Idempotent: a second settlement counts nothing again.
        """
        stored = await self._ledger.runs.stored_answers(run.execution_id)
        await self._answers.delete(run.tenant_id, stored)
        settled = await self._ledger.runs.settle(run.execution_id)
        total = settled.total
        now = datetime.now(UTC)
        seconds = (now - run.started_at).total_seconds()
        if settled.is_first:
            self._metrics.record_pipeline_execution(
                pipeline_name=run.pipeline_name,
                status="success" if run.status == "completed" else run.status,
                duration_seconds=seconds,
                total_cost_usd=total.known,
            )
        log.info(
            "run ended",
            execution_id=run.execution_id,
            pipeline=run.pipeline_name,
            status=run.status,
            seconds=round(seconds, 3),
            total_cost_usd=_text(total.total),
            **({"code": run.error.code, "error": run.error.message} if run.error else {}),
        )
        return Settlement(
            status=run.status,
            error=run.error,
            total_cost_usd=total.total,
            known_cost_usd=total.known,
            completed_at=whole_ms(now),
            notes=run.notes,
        )

    @activity.defn(name=REQUEST_CANCELLATION)
    async def request_cancellation(self, reason: str) -> None:
        """Ask Temporal to cancel the workflow that this runs in. Idempotent."""
        workflow_id = activity.info().workflow_id
        if workflow_id is None:
            raise RuntimeError("request_cancellation runs inside a workflow only")
        await self._client.get_workflow_handle(workflow_id).cancel(reason=reason)

    def _plan(self, step: StepDefinition) -> StepPlan:
        chain = self._registry.build_fallback_chain(
            step.capability,
            max_fallbacks=step.fallback.max_fallbacks,
            preferred=step.providers,
        )
        candidates = tuple(Candidate(provider=offer.provider, model=offer.model) for offer in chain)
        if candidates:
            return StepPlan(candidates=candidates)
        return StepPlan(candidates=(), reason=self._registry.why_none(step.capability))


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")
