"""The interpreter: a definition's steps, one after the other.

It decides by itself, deterministically; everything that touches the world is an activity.
"""

from datetime import UTC, datetime
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.types import (
    Admission,
    CallFailure,
    CallProviderInput,
    CallProviderResult,
    Candidate,
    CandidateError,
    ErrorInfo,
    StepNote,
)
from pipelines.errors import ExpressionError
from pipelines.expressions import evaluate
from pipelines.model import StepDefinition
from pipelines.requests import names_used
from workflows.calls import call_provider, failure_of
from workflows.details import describe_steps
from workflows.state import ExecutionState
from workflows.types import PipelineInput

# How often one call is scheduled again when nothing but lost workers is to blame.
_MAX_LOST = 20


class StepFailed(Exception):
    """A step that the run can't do without has failed."""

    def __init__(self, error: ErrorInfo) -> None:
        """Take the step's error, which becomes the run's."""
        super().__init__(error.message)
        self.error = error


class Interpreter:
    """Runs the steps of one definition."""

    def __init__(self, run: PipelineInput, admission: Admission, state: ExecutionState) -> None:
        """Take what to run, who may be asked, and the state to keep up to date."""
        self._run = run
        self._admission = admission
        self._state = state
        self._context: dict[str, Any] = dict(run.input_data)
        self._notes: list[StepNote] = []

    async def execute(self) -> None:
        """Run every step.

        Raises:
            StepFailed: A step that is not optional failed.
        """
        for step in self._run.definition.steps:
            self._context[step.output_key] = await self._execute_step(step)

    def output(self) -> dict[str, Any]:
        """Return the run's output.

        Raises:
            StepFailed: An output expression can't be evaluated.
        """
        definition = self._run.definition
        if definition.output is None:
            return {step.output_key: self._context[step.output_key] for step in definition.steps}
        try:
            return {
                name: evaluate(expression, self._context)
                for name, expression in definition.output.items()
            }
        except ExpressionError as error:
            raise StepFailed(ErrorInfo(code=error.code, message=str(error))) from error

    def take_notes(self) -> tuple[StepNote, ...]:
        """Hand over the decisions since the previous command."""
        notes = tuple(self._notes)
        self._notes.clear()
        return notes

    async def _execute_step(self, step: StepDefinition) -> dict[str, Any] | None:
        if not self._is_wanted(step):
            return None
        plan = self._admission.plans[step.name]
        if not plan.candidates:
            error = ErrorInfo(
                code="no_provider_available", message=plan.reason or "", step=step.name
            )
            if not step.optional:
                self._fail(step, error)
            self._note(step, "skipped", error.message, error)
            return None
        return await self._ask_chain(step, plan.candidates)

    def _is_wanted(self, step: StepDefinition) -> bool:
        if step.when is None:
            return True
        error = None
        try:
            wanted = evaluate(step.when, self._context) is True
        except ExpressionError as problem:
            wanted = False
            error = ErrorInfo(code=problem.code, message=str(problem), step=step.name)
        if not wanted:
            self._note(step, "skipped", f"when: {step.when}", error)
        return wanted

    async def _ask_chain(
        self, step: StepDefinition, candidates: tuple[Candidate, ...]
    ) -> dict[str, Any] | None:
        failures: list[tuple[Candidate, CallFailure]] = []
        for position, candidate in enumerate(candidates):
            answer = await self._ask(step, candidate, position)
            if isinstance(answer, CallProviderResult):
                return answer.output
            failures.append((candidate, answer))
            if not answer.fallback:
                break
        error = _step_error(step, failures)
        if not step.optional:
            self._fail(step, error)
        self._note(step, "failed", error.message, error)
        return None

    async def _ask(
        self, step: StepDefinition, candidate: Candidate, position: int
    ) -> CallProviderResult | CallFailure:
        """Ask one candidate, again when its worker was lost."""
        attempts = 0
        for _ in range(_MAX_LOST):
            call = self._call(step, candidate, position, attempts)
            self._state.call_scheduled(call)
            self._show()
            try:
                result = await call_provider(call)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                failure = failure_of(error, call)
                self._state.call_failed(call, failure.attempt - attempts)
                attempts = failure.attempt
                if failure.code != "worker_lost":
                    break
            else:
                self._state.call_completed(call, result)
                self._show()
                return result
        return failure

    def _call(
        self, step: StepDefinition, candidate: Candidate, position: int, attempts: int
    ) -> CallProviderInput:
        execution_id = workflow.info().workflow_id
        return CallProviderInput(
            tenant_id=self._run.tenant_id,
            execution_id=execution_id,
            pipeline=self._run.definition.id,
            step=step,
            candidate=candidate,
            call_id=f"{execution_id}/{step.name}/{position}",
            earlier_attempts=attempts,
            context={name: self._context[name] for name in names_used(step, self._context)},
            position=position,
            scheduled_at=now(),
            notes=self.take_notes(),
        )

    def _fail(self, step: StepDefinition, error: ErrorInfo) -> None:
        self._note(step, "failed", error.message, error)
        raise StepFailed(error)

    def _note(
        self, step: StepDefinition, outcome: Any, message: str, error: ErrorInfo | None
    ) -> None:
        note = StepNote(step=step.name, outcome=outcome, error=error, message=message, at=now())
        self._notes.append(note)
        self._state.noted(note)
        self._show()

    def _show(self) -> None:
        """Let operators see the step table in Temporal's own UI."""
        workflow.set_current_details(describe_steps(self._state.status))


def now() -> datetime:
    """Return the workflow's time in whole milliseconds, which survive every encoding."""
    return datetime.fromtimestamp(workflow.time_ns() // 1_000_000 / 1000, UTC)


def _step_error(step: StepDefinition, failures: list[tuple[Candidate, CallFailure]]) -> ErrorInfo:
    """Return the error of a step whose chain is used up, or was stopped."""
    candidate, last = failures[-1]
    code, message = last.code, last.message
    if last.fallback and len(failures) > 1:
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
