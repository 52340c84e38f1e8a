"""The interpreter: a definition's steps, each as soon as those that it needs have ended.

It decides by itself, deterministically; everything that touches the world is an activity. Each step
is a task, made in the order of the definition, and the workflow's event loop runs tasks in an order
that is the same in every replay.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.exceptions import FailureError

from activities.types import (
    MAX_PAYLOAD_BYTES,
    Admission,
    ErrorInfo,
    EvaluatePredicateInput,
    StepNote,
)
from pipelines.errors import ExpressionError
from pipelines.expressions import as_condition
from pipelines.model import StepDefinition
from workflows.calls import error_of
from workflows.chains import ChainFailed, Chains, Item
from workflows.expressions import value_of
from workflows.notes import Notes
from workflows.predicates import start_predicate
from workflows.state import ExecutionState
from workflows.stopping import Stopping
from workflows.types import PipelineInput, RunResult

# It stops the run, also where the step is one that the run could do without.
BUDGET_EXCEEDED = "budget_exceeded"
MAX_ITEMS = 1000
"""Of one `for_each`: each is six events of a history that Temporal ends at about fifty thousand."""

_Output = dict[str, Any] | list[dict[str, Any] | None] | None


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
        self._notes = Notes(state, side_by_side=run.definition.runs_side_by_side)
        self._chains = Chains(run, admission, state, self._notes)
        self._context: dict[str, Any] = dict(run.input_data)
        self._steps: dict[str, asyncio.Task[None]] = {}

    async def execute(self) -> None:
        """Run every step.

        Raises:
            StepFailed: A step that is not optional failed; all others have ended.
            Stopped: The run was cancelled, or its time is up.
        """
        for step in self._run.definition.steps:
            self._steps[step.name] = asyncio.create_task(self._run_step(step))
        tasks = list(self._steps.values())
        problems = await self._stopping.run_together(tasks)
        reasons = [one for one in problems if not isinstance(one, NeedMissingError)]
        if reasons:
            raise next((one for one in reasons if isinstance(one, StepFailed)), reasons[0])

    async def result(self) -> RunResult:
        """Return what the run gives.

        Raises:
            StepFailed: An output expression can't be evaluated, or it is more than Temporal takes.
            Stopped: The run was cancelled, or its time is up.
        """
        result = RunResult(output=await self._output())
        size = len(result.model_dump_json().encode())
        if size > MAX_PAYLOAD_BYTES:
            message = f"The run's output has {size} bytes; the most is {MAX_PAYLOAD_BYTES}."
            raise StepFailed(ErrorInfo(code="output_too_large", message=message))
        return result

    def take_notes(self) -> tuple[StepNote, ...]:
        """Hand over the decisions since the previous command."""
        return self._notes.take()

    async def _output(self) -> dict[str, Any]:
        definition = self._run.definition
        if definition.output is None:
            return {step.output_key: self._context[step.output_key] for step in definition.steps}
        try:
            return {
                name: await self._value(expression)
                for name, expression in definition.output.items()
            }
        except ExpressionError as error:
            raise StepFailed(ErrorInfo(code=error.code, message=str(error))) from error

    async def _value(self, source: str) -> Any:
        return await value_of(source, self._context, self._stopping)

    async def _run_step(self, step: StepDefinition) -> None:
        needs = [self._steps[name] for name in self._run.definition.needs_of(step)]
        if needs:
            await workflow.wait(needs)
            if any(need.exception() for need in needs):
                raise NeedMissingError
        self._context[step.output_key] = await self._execute_step(step)

    async def _execute_step(self, step: StepDefinition) -> _Output:
        if not await self._is_wanted(step):
            return None
        plan = self._admission.plans[step.name]
        if not plan.candidates:
            error = ErrorInfo(
                code="no_provider_available", message=plan.reason or "", step=step.name
            )
            if not step.optional:
                self._fail(step, error)
            self._notes.add(step.name, "skipped", error.message, error)
            return None
        try:
            if step.for_each is None:
                return await self._chains.ask(step, self._context, self._stopping)
            return await self._execute_items(step, await self._items(step, step.for_each))
        except ChainFailed as failed:
            if not step.optional or failed.error.code == BUDGET_EXCEEDED:
                self._fail(step, failed.error)
            self._notes.add(step.name, "failed", failed.error.message, failed.error)
            return None

    async def _is_wanted(self, step: StepDefinition) -> bool:
        if "when" in step.code:
            return await self._is_wanted_by_function(step)
        if step.when is None:
            return True
        error = None
        try:
            wanted = as_condition(await self._value(step.when), step.when)
        except ExpressionError as problem:
            wanted = False
            error = ErrorInfo(code=problem.code, message=str(problem), step=step.name)
        if not wanted:
            self._notes.add(step.name, "skipped", f"when: {step.when}", error)
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
            self._notes.add(step.name, "skipped", "when: a Python function said no", answer.error)
        return answer.wanted

    async def _items(self, step: StepDefinition, for_each: str) -> list[Any]:
        """Return what the step runs for.

        Raises:
            ChainFailed: It can't be told, is no list, or is too long.
        """
        try:
            items = await self._value(for_each)
        except ExpressionError as problem:
            raise ChainFailed(
                ErrorInfo(code=problem.code, message=str(problem), step=step.name)
            ) from None
        if isinstance(items, list) and len(items) <= MAX_ITEMS:
            return items
        found = f"a list of {len(items)}" if isinstance(items, list) else "no list"
        message = f"'for_each' gives {found}, expected a list of at most {MAX_ITEMS}: {for_each}"
        raise ChainFailed(ErrorInfo(code="expression", message=message, step=step.name))

    async def _execute_items(
        self, step: StepDefinition, items: list[Any]
    ) -> list[dict[str, Any] | None]:
        """Run the step for each item, some at a time; results in the order of the items.

        Raises:
            ChainFailed: An item failed that the step can't do without; all others have ended.
            Stopped: The run must not go on.
        """
        if not items:
            self._notes.add(step.name, "completed", "for_each: there is no item", items=0)
            return []
        results: list[dict[str, Any] | None] = [None] * len(items)
        waiting = iter([Item(index, len(items), value) for index, value in enumerate(items)])
        stopping = Stopping.within(self._stopping)
        hands = [
            asyncio.create_task(self._work_off(step, waiting, results, stopping))
            for _ in range(min(step.max_parallel, len(items)))
        ]
        problems = await stopping.run_together(hands)
        if problems:
            raise next((one for one in problems if isinstance(one, ChainFailed)), problems[0])
        return results

    async def _work_off(
        self,
        step: StepDefinition,
        waiting: Iterator[Item],
        results: list[dict[str, Any] | None],
        stopping: Stopping,
    ) -> None:
        for item in waiting:
            try:
                results[item.index] = await self._chains.ask(step, self._context, stopping, item)
            except ChainFailed as failed:
                error = failed.error
                if step.on_item_error == "fail" or error.code == BUDGET_EXCEEDED:
                    stopping.give_up(error)
                    raise
                results[item.index] = {"error": error.model_dump(mode="json", exclude_none=True)}
                self._notes.add(
                    step.name,
                    "item_failed",
                    error.message,
                    error,
                    item=item.index,
                    items=item.count,
                )

    def _fail(self, step: StepDefinition, error: ErrorInfo) -> NoReturn:
        self._notes.add(step.name, "failed", error.message, error)
        self._stopping.give_up(error)
        raise StepFailed(error)
