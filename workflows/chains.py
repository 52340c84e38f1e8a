"""A chain: one candidate after the other is asked, until one answers or nobody else may be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.types import (
    Admission,
    CallFailure,
    CallProviderInput,
    CallProviderResult,
    Candidate,
    CandidateError,
    ErrorInfo,
)
from pipelines.errors import ExpressionError
from pipelines.model import StepDefinition
from pipelines.requests import names_used
from workflows.calls import failure_of, start_call
from workflows.notes import Notes, now
from workflows.state import ExecutionState
from workflows.stopping import Stopping
from workflows.types import PipelineInput

# How often one call is scheduled again when nothing but lost workers is to blame.
_MAX_LOST = 20
# What a step fails with when that is what all of its candidates say.
UNSUPPORTED = "unsupported_input"


class ChainFailed(Exception):
    """Nobody has answered, and nobody else may be asked."""

    def __init__(self, error: ErrorInfo) -> None:
        """Take what the step, or its item, fails with."""
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a step's `for_each`.

    Attributes:
        index: From 0.
        count: How many items the step has.
    """

    index: int
    count: int
    value: Any


class Chains:
    """Asks the candidates of a run's steps."""

    def __init__(
        self, run: PipelineInput, admission: Admission, state: ExecutionState, notes: Notes
    ) -> None:
        """Take the run, who may be asked, and what to keep up to date."""
        self._run = run
        self._admission = admission
        self._state = state
        self._notes = notes

    async def ask(
        self,
        step: StepDefinition,
        context: Mapping[str, Any],
        stopping: Stopping,
        item: Item | None = None,
    ) -> dict[str, Any]:
        """Return the answer of the first candidate that gives one.

        Raises:
            ChainFailed: Nobody gave one.
            Stopped: Nobody may be asked any more.
        """
        candidates = self._admission.plans[step.name].candidates
        if item is not None:
            context = {**context, "item": item.value, "index": item.index}
        failures: list[tuple[Candidate, CallFailure]] = []
        for position in range(len(candidates)):
            answer = await self._ask_one(step, context, stopping, position, item)
            if isinstance(answer, CallProviderResult):
                return answer.output
            failures.append((candidates[position], answer))
            if not _may_go_on(step, answer):
                break
        raise ChainFailed(_error_of(step, failures))

    async def _ask_one(
        self,
        step: StepDefinition,
        context: Mapping[str, Any],
        stopping: Stopping,
        position: int,
        item: Item | None,
    ) -> CallProviderResult | CallFailure:
        """Ask one candidate, again when its worker was lost."""
        attempts = 0
        for _ in range(_MAX_LOST):
            stopping.check()
            try:
                call = self._call(step, context, stopping, position, attempts, item)
            except ExpressionError as problem:
                return _own_failure(problem)
            self._state.call_scheduled(call)
            self._notes.show()
            try:
                result = await stopping.watch(start_call(call))
            except ActivityError as error:
                failure = failure_of(error, call)
                self._state.call_failed(call, failure)
                attempts = failure.attempt
                if failure.code != "worker_lost":
                    break
            else:
                self._state.call_completed(call, result)
                self._notes.show()
                return result
        return failure

    def _call(
        self,
        step: StepDefinition,
        context: Mapping[str, Any],
        stopping: Stopping,
        position: int,
        attempts: int,
        item: Item | None,
    ) -> CallProviderInput:
        execution_id = workflow.info().workflow_id
        candidates = self._admission.plans[step.name].candidates
        place = step.name if item is None else f"{step.name}/{item.index}"
        return CallProviderInput(
            tenant_id=self._run.tenant_id,
            execution_id=execution_id,
            pipeline=self._run.definition.id,
            step=step,
            candidate=candidates[position],
            # A run that was reset makes calls of its own: they are paid for again.
            call_id=f"{execution_id}/{workflow.info().run_id}/{place}/{position}",
            earlier_attempts=attempts,
            context={name: context[name] for name in names_used(step, context)},
            position=position,
            is_last=position == len(candidates) - 1,
            item=None if item is None else item.index,
            items=None if item is None else item.count,
            needs_bound=self._admission.needs_bounds,
            deadline=stopping.deadline,
            scheduled_at=now(),
            notes=self._notes.take(),
        )


def _may_go_on(step: StepDefinition, failure: CallFailure) -> bool:
    """Tell whether the next candidate may be asked."""
    refused = failure.code == "refused" and step.on_refusal == "fallback"
    return failure.fallback or refused


def _own_failure(problem: ExpressionError) -> CallFailure:
    """Fail a call that can't even be made."""
    return CallFailure(
        code=problem.code, message=str(problem), retryable=False, fallback=False, attempt=0
    )


def _error_of(step: StepDefinition, failures: list[tuple[Candidate, CallFailure]]) -> ErrorInfo:
    """Return the error of a step whose chain is used up, or was stopped."""
    candidate, last = failures[-1]
    code, message = last.code, last.message
    nobody_can = all(failure.code == UNSUPPORTED for _, failure in failures)
    if _may_go_on(step, last) and not nobody_can:
        code = "all_providers_failed"
        reasons = "; ".join(f"{asked}: {failure.message}" for asked, failure in failures)
        message = f"Every provider failed: {reasons}"
    return ErrorInfo(
        code=code,
        message=message,
        retryable=last.retryable,
        step=step.name,
        provider=candidate.provider,
        candidates=tuple(
            CandidateError(
                provider=asked.provider,
                model=asked.model,
                code=failure.code,
                message=failure.message,
            )
            for asked, failure in failures
        ),
    )
