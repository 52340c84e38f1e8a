"""The one function from a run's history to its events and its status.

`Projection.feed` takes facts one after the other, in the order in which Temporal wrote them, and
returns the events that each one stands for. It asks nobody, keeps no clock and decides nothing:
what the interpreter decided is in the notes that travel with its commands.
"""

from datetime import datetime
from typing import Any

from activities.types import (
    CallFailure,
    CallProviderInput,
    Candidate,
    ErrorInfo,
    Settlement,
    StepNote,
)
from events.history import (
    CallAnswered,
    CallCancelled,
    CallFailed,
    CallScheduled,
    CallStarted,
    Ended,
    Fact,
    Noted,
    Reset,
    RunCreated,
    Settled,
    TaskCompleted,
    TaskStarted,
)
from events.ids import EventId
from events.types import EventType, PipelineEvent
from workflows.calls import failure_of
from workflows.state import ExecutionState
from workflows.types import ExecutionStatus, RunStatus, StepState

_OUTCOMES = {
    "skipped": EventType.STEP_SKIPPED,
    "failed": EventType.STEP_FAILED,
    "completed": EventType.STEP_COMPLETED,
}
_ENDINGS = {
    RunStatus.COMPLETED: EventType.WORKFLOW_COMPLETED,
    RunStatus.FAILED: EventType.WORKFLOW_FAILED,
    RunStatus.CANCELLED: EventType.WORKFLOW_CANCELLED,
}


def _of_item(item: int | None, **data: Any) -> dict[str, Any]:
    return data if item is None else {"item": item, **data}


class Projection:
    """Folds one run's history."""

    def __init__(self, execution_id: str, created: RunCreated) -> None:
        """Begin with the fact that every history begins with."""
        self.run = created.run
        self.output: dict[str, Any] | None = None
        self._execution_id = execution_id
        self._state = ExecutionState(
            execution_id, created.run.definition, created.run.tags, created.at
        )
        self._generation = 1
        self._task_started_at = created.at
        self._calls: dict[int, CallProviderInput] = {}
        self._last_starts: dict[int, CallStarted] = {}
        self._numbers: dict[str, int] = {}
        self._asked: dict[tuple[str, int | None], Candidate] = {}
        self._failures: dict[tuple[str, int | None], CallFailure] = {}
        self._settlement: Settlement | None = None
        self._emitted: list[PipelineEvent] = []
        self._event_number = 0

    @property
    def status(self) -> ExecutionStatus:
        """How far the run is, by what was fed so far."""
        return self._state.status

    @property
    def has_open_calls(self) -> bool:
        """Whether a candidate is being asked."""
        return bool(self._calls)

    def open_call(self, activity_id: str) -> CallProviderInput | None:
        """Return the call behind a pending activity."""
        return self._calls.get(self._numbers.get(activity_id, 0))

    def percent_with(self, call: CallProviderInput, fraction: float) -> float:
        """Return the run's progress when this fraction of an open call is done."""
        return min(99.9, self._state.percent_with(call.step.name, fraction))

    def feed(self, number: int, fact: Fact) -> list[PipelineEvent]:  # noqa: C901, PLR0912 - a table
        """Take the next fact and its history event's id; return the events that it stands for."""
        self._emitted, self._event_number = [], number
        match fact:
            case TaskStarted(at):
                self._task_started_at = at
            case TaskCompleted():
                self._task_completed()
            case Reset(at):
                # Later than any reset before it, also than one that this history has left behind.
                self._generation = 1 + round((at - self.status.created_at).total_seconds() * 1000)
            case CallScheduled():
                self._call_scheduled(fact)
            case CallStarted(call_number):
                self._last_starts[call_number] = fact
            case CallAnswered():
                self._call_answered(fact)
            case CallFailed():
                self._call_failed(fact)
            case CallCancelled(call_number):
                self._calls.pop(call_number, None)
            case Noted(notes):
                for note in notes:
                    self._noted(note)
            case Settled(settlement):
                self._settled(settlement)
            case Ended():
                self._ended(fact)
            case RunCreated():
                pass
        return self._emitted

    def _task_completed(self) -> None:
        if self.status.status == RunStatus.PENDING:
            self._state.started(self._task_started_at)
            self._emit(EventType.WORKFLOW_STARTED, self._task_started_at)

    def _call_scheduled(self, fact: CallScheduled) -> None:
        call = fact.call
        for note in call.notes:
            self._noted(note)
        before = self._state.step(call.step.name).model_copy()
        self._state.call_scheduled(call)
        self._calls[fact.number] = call
        self._numbers[fact.activity_id] = fact.number
        asked = self._asked.get((call.step.name, call.item))
        self._asked[call.step.name, call.item] = call.candidate
        if before.started_at is None:
            self._emit(EventType.STEP_STARTED, call.scheduled_at, call=call)
        elif asked is not None and call.position and not call.earlier_attempts:
            self._emit(
                EventType.STEP_RETRYING,
                call.scheduled_at,
                call=call,
                message=f"Asking {call.candidate} instead of {asked}: {self._why(call)}",
                data=_of_item(call.item, fallback_from=asked.provider),
            )

    def _why(self, call: CallProviderInput) -> str:
        failure = self._failures.get((call.step.name, call.item))
        return failure.message if failure else "it failed"

    def _call_answered(self, fact: CallAnswered) -> None:
        call, result = self._calls.pop(fact.number), fact.result
        self._retried(fact.number, call, result.completed_at)
        self._state.call_completed(call, result)
        cost: dict[str, Any] = {"attempt": result.attempt, "cost_usd": result.cost_usd}
        usage = result.usage.model_dump(mode="json", exclude_none=True)
        at = result.completed_at
        data = _of_item(call.item, usage=usage)
        self._emit(EventType.COST_INCURRED, at, call=call, data=data, **cost)
        if call.item is None:
            self._emit(EventType.STEP_COMPLETED, at, call=call, **cost)
            self._emit(EventType.PROGRESS_UPDATE, at, call=call)
        else:
            self._item_ended(call.step.name, call.item, at)

    def _call_failed(self, fact: CallFailed) -> None:
        call = self._calls.pop(fact.number)
        self._retried(fact.number, call, fact.at)
        failure = failure_of(fact.error, call)
        self._state.call_failed(call, failure)
        self._failures[call.step.name, call.item] = failure
        if failure.cost_usd:
            cost: dict[str, Any] = {"attempt": failure.attempt, "cost_usd": failure.cost_usd}
            self._emit(EventType.COST_INCURRED, fact.at, call=call, **cost)

    def _retried(self, number: int, call: CallProviderInput, at: datetime) -> None:
        """Tell that an activity needed more than one attempt."""
        started = self._last_starts.pop(number, None)
        if started is None or started.attempt == 1:
            return
        self._emit(
            EventType.STEP_RETRYING,
            at,
            call=call,
            attempt=started.attempt,
            message=started.last_error.message if started.last_error else None,
            error=started.last_error,
            data=_of_item(call.item, attempts=started.attempt),
        )

    def _settled(self, settlement: Settlement) -> None:
        for note in settlement.notes:
            self._noted(note)
        self._settlement = settlement

    def _ended(self, fact: Ended) -> None:
        # The settlement knows more than Temporal does, unless somebody ended the run by force.
        if self._settlement is not None and self._settlement.status == fact.status:
            self._state.settled(self._settlement)
        else:
            self.status.error = fact.error
            self._state.ended(fact.status, fact.at)
        self.output = fact.output
        error = self.status.error
        self._emit(
            _ENDINGS[fact.status],
            self.status.completed_at or fact.at,
            cost_usd=self.status.total_cost_usd,
            message=error.message if error else None,
            error=error,
        )

    def _item_ended(
        self, step_name: str, item: int, at: datetime, error: ErrorInfo | None = None
    ) -> None:
        """Tell that one of a step's items has ended, and the step with the last one."""
        step = self._state.step(step_name)
        if step.status == StepState.COMPLETED:
            done = EventType.STEP_COMPLETED
            self._emit(done, at, step_name=step_name, cost_usd=step.cost_usd)
        self._emit(
            EventType.PROGRESS_UPDATE,
            at,
            step_name=step_name,
            message=error.message if error else None,
            error=error,
            data=_of_item(item),
        )

    def _noted(self, note: StepNote) -> None:
        self._state.noted(note)
        step = self._state.step(note.step)
        if note.item is not None:
            self._item_ended(note.step, note.item, note.at, note.error)
            return
        self._emit(
            _OUTCOMES[note.outcome],
            note.at,
            step_name=note.step,
            provider=step.provider,
            model=step.model,
            message=note.message,
            error=note.error,
        )
        self._emit(EventType.PROGRESS_UPDATE, note.at, step_name=note.step)

    def _emit(
        self,
        event_type: EventType,
        at: datetime,
        *,
        call: CallProviderInput | None = None,
        error: ErrorInfo | None = None,
        **fields: Any,
    ) -> None:
        self._emitted.append(
            self.event(
                event_type,
                at,
                event_id=str(EventId(self._generation, self._event_number, len(self._emitted))),
                progress_percent=self.status.progress_percent,
                call=call,
                error=error,
                **fields,
            )
        )

    def event(
        self,
        event_type: EventType,
        at: datetime,
        *,
        progress_percent: float,
        event_id: str | None = None,
        call: CallProviderInput | None = None,
        **fields: Any,
    ) -> PipelineEvent:
        """Make an event of this run, by default a live hint."""
        if call is not None:
            fields |= {
                "step_name": call.step.name,
                "provider": call.candidate.provider,
                "model": call.candidate.model,
            }
        return PipelineEvent(
            event_id=event_id,
            event_type=event_type,
            execution_id=self._execution_id,
            timestamp=at,
            pipeline_name=self.status.pipeline_name,
            progress_percent=progress_percent,
            **fields,
        )
