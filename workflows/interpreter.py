"""The interpreter: a definition's steps, each as soon as those that it needs have ended.

It decides by itself, deterministically; everything that touches the world is an activity. Each step
is a task, made in the order of the definition, and the workflow's event loop runs tasks in an order
that is the same in every replay. What one decides is told with its next command; where steps run
side by side there may be none for long, so that decisions are then written into the run's memo.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError

from activities.types import (
    MAX_PAYLOAD_BYTES,
    Admission,
    CallFailure,
    CallProviderInput,
    CallProviderResult,
    Candidate,
    CandidateError,
    ErrorInfo,
    EvaluatePredicateInput,
    StepNote,
)
from pipelines.errors import ExpressionError
from pipelines.expressions import evaluate, evaluate_condition
from pipelines.model import StepDefinition
from pipelines.requests import names_used
from workflows.calls import error_of, failure_of, start_call
from workflows.details import describe_steps
from workflows.predicates import start_predicate
from workflows.state import ExecutionState
from workflows.stopping import TURNS, Stopping
from workflows.types import NOTES_MEMO, PipelineInput, RunResult

# How often one call is scheduled again when nothing but lost workers is to blame.
_MAX_LOST = 20
# It stops the run, also where the step is one that the run could do without.
BUDGET_EXCEEDED = "budget_exceeded"


class StepFailed(Exception):
    """A step that the run can't do without has failed."""

    def __init__(self, error: ErrorInfo) -> None:
        """Take the step's error, which becomes the run's."""
        super().__init__(error.message)
        self.error = error


class NeedMissingError(Exception):
    """A step that this one needs has not ended well: the run is over."""


class Interpreter:
    """Runs the steps of one definition."""

    def __init__(
        self,
        run: PipelineInput,
        admission: Admission,
        state: ExecutionState,
        stopping: Stopping,
    ) -> None:
        """Take what to run, who may be asked, the state to keep up to date, and when to stop."""
        self._run = run
        self._stopping = stopping
        self._admission = admission
        self._state = state
        self._context: dict[str, Any] = dict(run.input_data)
        self._notes: list[StepNote] = []
        self._steps: dict[str, asyncio.Task[None]] = {}
        self._telling: asyncio.Task[None] | None = None

    async def execute(self) -> None:
        """Run every step.

        Raises:
            StepFailed: A step that is not optional failed; all others have ended.
            Stopped: The run was cancelled, or its time is up.
        """
        for step in self._run.definition.steps:
            self._steps[step.name] = asyncio.create_task(self._run_step(step))
        tasks = list(self._steps.values())
        await workflow.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        problems = [task.exception() for task in tasks if task.done()]
        reasons = [one for one in problems if one and not isinstance(one, NeedMissingError)]
        if not reasons:
            return
        await self._stopping.abort()
        await workflow.wait(tasks)
        raise next((one for one in reasons if isinstance(one, StepFailed)), reasons[0])

    async def _run_step(self, step: StepDefinition) -> None:
        needs = [self._steps[name] for name in self._run.definition.needs_of(step)]
        if needs:
            await workflow.wait(needs)
            if any(need.exception() for need in needs):
                raise NeedMissingError
        self._context[step.output_key] = await self._execute_step(step)

    def result(self) -> RunResult:
        """Return what the run gives.

        Raises:
            StepFailed: An output expression can't be evaluated, or it is more than Temporal takes.
        """
        result = RunResult(output=self._output())
        size = len(result.model_dump_json().encode())
        if size > MAX_PAYLOAD_BYTES:
            message = f"The run's output has {size} bytes; the most is {MAX_PAYLOAD_BYTES}."
            raise StepFailed(ErrorInfo(code="output_too_large", message=message))
        return result

    def _output(self) -> dict[str, Any]:
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
        if not await self._is_wanted(step):
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

    async def _is_wanted(self, step: StepDefinition) -> bool:
        if "when" in step.code:
            return await self._is_wanted_by_function(step)
        if step.when is None:
            return True
        error = None
        try:
            wanted = evaluate_condition(step.when, self._context)
        except ExpressionError as problem:
            wanted = False
            error = ErrorInfo(code=problem.code, message=str(problem), step=step.name)
        if not wanted:
            self._note(step, "skipped", f"when: {step.when}", error)
        return wanted

    async def _is_wanted_by_function(self, step: StepDefinition) -> bool:
        question = EvaluatePredicateInput(
            pipeline=self._run.definition.id, step=step.name, context=self._context
        )
        self._stopping.check()
        try:
            answer = await self._stopping.watch(start_predicate(question))
        except FailureError as problem:
            self._stopping.check()
            self._fail(step, error_of(problem, step.name))
        if not answer.wanted:
            self._note(step, "skipped", "when: a Python function said no", answer.error)
        return answer.wanted

    async def _ask_chain(
        self, step: StepDefinition, candidates: tuple[Candidate, ...]
    ) -> dict[str, Any] | None:
        failures: list[tuple[Candidate, CallFailure]] = []
        for position, candidate in enumerate(candidates):
            is_last = position == len(candidates) - 1
            answer = await self._ask(step, candidate, position, is_last=is_last)
            if isinstance(answer, CallProviderResult):
                return answer.output
            failures.append((candidate, answer))
            if not _may_go_on(step, answer):
                break
        error = _step_error(step, failures)
        if not step.optional or error.code == BUDGET_EXCEEDED:
            self._fail(step, error)
        self._note(step, "failed", error.message, error)
        return None

    async def _ask(
        self, step: StepDefinition, candidate: Candidate, position: int, *, is_last: bool
    ) -> CallProviderResult | CallFailure:
        """Ask one candidate, again when its worker was lost."""
        attempts = 0
        for _ in range(_MAX_LOST):
            self._stopping.check()
            try:
                call = self._call(step, candidate, position, attempts, is_last=is_last)
            except ExpressionError as problem:
                return _own_failure(problem)
            self._state.call_scheduled(call)
            self._show()
            try:
                result = await self._stopping.watch(start_call(call))
            except ActivityError as error:
                failure = failure_of(error, call)
                self._state.call_failed(call, failure)
                attempts = failure.attempt
                if failure.code != "worker_lost":
                    break
            else:
                self._state.call_completed(call, result)
                self._show()
                return result
        return failure

    def _call(
        self,
        step: StepDefinition,
        candidate: Candidate,
        position: int,
        attempts: int,
        *,
        is_last: bool,
    ) -> CallProviderInput:
        execution_id = workflow.info().workflow_id
        return CallProviderInput(
            tenant_id=self._run.tenant_id,
            execution_id=execution_id,
            pipeline=self._run.definition.id,
            step=step,
            candidate=candidate,
            # A run that was reset makes calls of its own: they are paid for again.
            call_id=f"{execution_id}/{workflow.info().run_id[:8]}/{step.name}/{position}",
            earlier_attempts=attempts,
            context={name: self._context[name] for name in names_used(step, self._context)},
            position=position,
            is_last=is_last,
            needs_bound=self._admission.needs_bounds,
            deadline=self._stopping.deadline,
            scheduled_at=now(),
            notes=self.take_notes(),
        )

    def _fail(self, step: StepDefinition, error: ErrorInfo) -> NoReturn:
        self._note(step, "failed", error.message, error)
        self._stopping.give_up(error)
        raise StepFailed(error)

    def _note(
        self, step: StepDefinition, outcome: Any, message: str, error: ErrorInfo | None
    ) -> None:
        note = StepNote(step=step.name, outcome=outcome, error=error, message=message, at=now())
        self._notes.append(note)
        self._state.noted(note)
        self._show()
        if self._run.definition.is_graph and self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        """Write what no command takes along within this workflow task into the run's memo."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        self._telling = None
        if notes := self.take_notes():
            workflow.upsert_memo({NOTES_MEMO: [note.model_dump(mode="json") for note in notes]})

    def _show(self) -> None:
        """Let operators see the step table in Temporal's own UI."""
        workflow.set_current_details(describe_steps(self._state.status))


def _may_go_on(step: StepDefinition, failure: CallFailure) -> bool:
    """Tell whether the next candidate may be asked."""
    refused = failure.code == "refused" and step.on_refusal == "fallback"
    return failure.fallback or refused


def _own_failure(problem: ExpressionError) -> CallFailure:
    """Fail a call that can't even be made."""
    return CallFailure(
        code=problem.code, message=str(problem), retryable=False, fallback=False, attempt=0
    )


def now() -> datetime:
    """Return the workflow's time in whole milliseconds, which survive every encoding."""
    return datetime.fromtimestamp(workflow.time_ns() // 1_000_000 / 1000, UTC)


def _step_error(step: StepDefinition, failures: list[tuple[Candidate, CallFailure]]) -> ErrorInfo:
    """Return the error of a step whose chain is used up, or was stopped."""
    candidate, last = failures[-1]
    code, message = last.code, last.message
    if _may_go_on(step, last) and len(failures) > 1:
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
