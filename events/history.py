"""Reads Temporal's history events into the few facts that matter to a run.

This is the only file that knows the shape of Temporal's history and of the SDK's markers.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType as HistoryEventType
from temporalio.api.enums.v1 import TimeoutType, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter
from temporalio.exceptions import ActivityError, RetryState

from activities.types import (
    CALL_PROVIDER,
    SETTLE,
    CallProviderInput,
    CallProviderResult,
    ErrorInfo,
    Settlement,
    StepNote,
)
from workflows.calls import WORKER_SHUTDOWN
from workflows.types import NOTES_MEMO, PipelineInput, RunResult, RunStatus

# The marker that the SDK's core writes for a local activity.
_LOCAL_ACTIVITY_MARKER = "core_local_activity"
_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW


@dataclass(frozen=True, slots=True)
class RunCreated:
    """The run was started."""

    run: PipelineInput
    at: datetime


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """A worker took the workflow up; `at` is the workflow's own time from here on."""

    at: datetime


@dataclass(frozen=True, slots=True)
class TaskCompleted:
    """The worker's decisions follow."""


@dataclass(frozen=True, slots=True)
class Reset:
    """An operator reset the run to this point."""

    at: datetime


@dataclass(frozen=True, slots=True)
class CallScheduled:
    """A candidate will be asked; `number` identifies the call within this history."""

    number: int
    activity_id: str
    call: CallProviderInput


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The last attempt at a call; written when the call ends."""

    number: int
    attempt: int
    last_error: ErrorInfo | None


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """The candidate answered."""

    number: int
    result: CallProviderResult


@dataclass(frozen=True, slots=True)
class CallFailed:
    """The call failed for good."""

    number: int
    error: ActivityError
    at: datetime


@dataclass(frozen=True, slots=True)
class CallCancelled:
    """The call was aborted."""

    number: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The account was made."""

    settlement: Settlement


@dataclass(frozen=True, slots=True)
class Noted:
    """Decisions that no command took along."""

    notes: tuple[StepNote, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """Temporal closed the run.

    Attributes:
        error: What Temporal itself knows.
        output: What a completed run returned.
    """

    status: RunStatus
    at: datetime
    error: ErrorInfo | None = None
    output: dict[str, Any] | None = None


Fact = (
    RunCreated
    | TaskStarted
    | TaskCompleted
    | Reset
    | CallScheduled
    | CallStarted
    | CallAnswered
    | CallFailed
    | CallCancelled
    | Settled
    | Noted
    | Ended
)
_Model = TypeVar("_Model", bound=BaseModel)


class HistoryReader:
    """Decodes one history's events with the data converter that the run was written with.

    What an activity's later events are about stands in the event that scheduled it, so a reader
    reads a history from its beginning.
    """

    def __init__(self, converter: DataConverter) -> None:
        """Take the client's data converter."""
        self._decoder = _Decoder(converter)
        self._calls: set[int] = set()

    async def read(self, event: HistoryEvent) -> Fact | None:
        """Return the fact that the next event tells, or None when it tells none."""
        reader = _READERS.get(event.event_type)
        about = _OF_ACTIVITIES.get(event.event_type)
        if reader is None or (about and about(event) not in self._calls):
            return None
        fact = await reader(self._decoder, event)
        if isinstance(fact, CallScheduled):
            self._calls.add(fact.number)
        return fact


class _Decoder:
    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter

    async def model(self, payloads: Sequence[Payload], model: type[_Model]) -> _Model:
        decoded: _Model = (await self._converter.decode(payloads, [model]))[0]
        return decoded

    async def plain(self, payloads: Sequence[Payload]) -> dict[str, Any]:
        decoded: dict[str, Any] = (await self._converter.decode(payloads, [dict]))[0]
        return decoded

    async def notes(self, payload: Payload) -> tuple[StepNote, ...]:
        decoded: list[StepNote] = (await self._converter.decode([payload], [list[StepNote]]))[0]
        return tuple(decoded)

    async def failure(self, failure: Failure) -> BaseException:
        return await self._converter.decode_failure(failure)


async def _created(decoder: _Decoder, event: HistoryEvent) -> Fact:
    attributes = event.workflow_execution_started_event_attributes
    run = await decoder.model(attributes.input.payloads, PipelineInput)
    return RunCreated(run, to_datetime(event.event_time))


async def _task_started(_decoder: _Decoder, event: HistoryEvent) -> Fact:
    return TaskStarted(to_datetime(event.event_time))


async def _task_completed(_decoder: _Decoder, _event: HistoryEvent) -> Fact:
    return TaskCompleted()


async def _task_failed(_decoder: _Decoder, event: HistoryEvent) -> Fact | None:
    cause = event.workflow_task_failed_event_attributes.cause
    return Reset(to_datetime(event.event_time)) if cause == _RESET else None


async def _scheduled(decoder: _Decoder, event: HistoryEvent) -> Fact | None:
    attributes = event.activity_task_scheduled_event_attributes
    if attributes.activity_type.name != CALL_PROVIDER:
        return None
    call = await decoder.model(attributes.input.payloads, CallProviderInput)
    return CallScheduled(event.event_id, attributes.activity_id, call)


async def _started(_decoder: _Decoder, event: HistoryEvent) -> Fact:
    attributes = event.activity_task_started_event_attributes
    failure = attributes.last_failure if attributes.HasField("last_failure") else None
    error = None if failure is None else error_of(failure)
    return CallStarted(attributes.scheduled_event_id, attributes.attempt, error)


async def _answered(decoder: _Decoder, event: HistoryEvent) -> Fact:
    attributes = event.activity_task_completed_event_attributes
    result = await decoder.model(attributes.result.payloads, CallProviderResult)
    return CallAnswered(attributes.scheduled_event_id, result)


async def _failed(decoder: _Decoder, event: HistoryEvent) -> Fact:
    failed = event.activity_task_failed_event_attributes
    return await _failure(
        decoder, event, failed.scheduled_event_id, failed.failure, failed.retry_state
    )


async def _timed_out(decoder: _Decoder, event: HistoryEvent) -> Fact:
    timed_out = event.activity_task_timed_out_event_attributes
    return await _failure(
        decoder, event, timed_out.scheduled_event_id, timed_out.failure, timed_out.retry_state
    )


async def _failure(
    decoder: _Decoder, event: HistoryEvent, number: int, failure: Failure, retry_state: int
) -> CallFailed:
    """Make the exception that the workflow saw."""
    error = ActivityError(
        failure.message,
        scheduled_event_id=number,
        started_event_id=0,
        identity="",
        activity_type=CALL_PROVIDER,
        activity_id="",
        retry_state=RetryState(retry_state) if retry_state else None,
    )
    error.__cause__ = await decoder.failure(failure)
    return CallFailed(number, error, to_datetime(event.event_time))


async def _cancelled(_decoder: _Decoder, event: HistoryEvent) -> Fact:
    return CallCancelled(event.activity_task_canceled_event_attributes.scheduled_event_id)


async def _marker(decoder: _Decoder, event: HistoryEvent) -> Fact | None:
    attributes = event.marker_recorded_event_attributes
    details = attributes.details
    if attributes.marker_name != _LOCAL_ACTIVITY_MARKER or "result" not in details:
        return None
    about: dict[str, Any] = await decoder.plain(details["data"].payloads)
    if about.get("activity_type") != SETTLE:
        return None
    return Settled(await decoder.model(details["result"].payloads, Settlement))


async def _memo(decoder: _Decoder, event: HistoryEvent) -> Fact | None:
    fields = event.workflow_properties_modified_event_attributes.upserted_memo.fields
    if NOTES_MEMO not in fields:
        return None
    return Noted(await decoder.notes(fields[NOTES_MEMO]))


async def _completed(decoder: _Decoder, event: HistoryEvent) -> Fact:
    attributes = event.workflow_execution_completed_event_attributes
    result = await decoder.model(attributes.result.payloads, RunResult)
    return Ended(RunStatus.COMPLETED, to_datetime(event.event_time), output=result.output)


async def _run_failed(_decoder: _Decoder, event: HistoryEvent) -> Fact:
    error = error_of(event.workflow_execution_failed_event_attributes.failure)
    return Ended(RunStatus.FAILED, to_datetime(event.event_time), error)


async def _run_cancelled(_decoder: _Decoder, event: HistoryEvent) -> Fact:
    return Ended(RunStatus.CANCELLED, to_datetime(event.event_time))


async def _terminated(_decoder: _Decoder, event: HistoryEvent) -> Fact:
    reason = event.workflow_execution_terminated_event_attributes.reason
    message = "The run was terminated in Temporal" + (f": {reason}." if reason else ".")
    error = ErrorInfo(code="terminated", message=message)
    return Ended(RunStatus.FAILED, to_datetime(event.event_time), error)


async def _run_timed_out(_decoder: _Decoder, event: HistoryEvent) -> Fact:
    message = "Temporal's own execution timeout ended the run."
    error = ErrorInfo(code="timed_out", message=message)
    return Ended(RunStatus.FAILED, to_datetime(event.event_time), error)


_READERS: dict[int, Callable[[_Decoder, HistoryEvent], Awaitable[Fact | None]]] = {
    HistoryEventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _created,
    HistoryEventType.EVENT_TYPE_WORKFLOW_TASK_STARTED: _task_started,
    HistoryEventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: _task_completed,
    HistoryEventType.EVENT_TYPE_WORKFLOW_TASK_FAILED: _task_failed,
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: _scheduled,
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: _started,
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: _answered,
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: _failed,
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: _timed_out,
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: _cancelled,
    HistoryEventType.EVENT_TYPE_MARKER_RECORDED: _marker,
    HistoryEventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED: _memo,
    HistoryEventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: _completed,
    HistoryEventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: _run_failed,
    HistoryEventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: _run_cancelled,
    HistoryEventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: _terminated,
    HistoryEventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: _run_timed_out,
}


_OF_ACTIVITIES: dict[int, Callable[[HistoryEvent], int]] = {
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_STARTED: lambda event: (
        event.activity_task_started_event_attributes.scheduled_event_id
    ),
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: lambda event: (
        event.activity_task_completed_event_attributes.scheduled_event_id
    ),
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: lambda event: (
        event.activity_task_failed_event_attributes.scheduled_event_id
    ),
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: lambda event: (
        event.activity_task_timed_out_event_attributes.scheduled_event_id
    ),
    HistoryEventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: lambda event: (
        event.activity_task_canceled_event_attributes.scheduled_event_id
    ),
}
"""Which event scheduled the activity that an event is about."""


def to_datetime(timestamp: Timestamp) -> datetime:
    """Cut a time to whole milliseconds, as the workflow does."""
    return datetime.fromtimestamp(timestamp.ToMilliseconds() / 1000, UTC)


def error_of(failure: Failure) -> ErrorInfo:
    """Return the code and sentence of a recorded failure."""
    if failure.HasField("application_failure_info"):
        info = failure.application_failure_info
        if info.type == WORKER_SHUTDOWN:
            return ErrorInfo(code="worker_lost", message=failure.message, retryable=True)
        return ErrorInfo(code=info.type, message=failure.message, retryable=not info.non_retryable)
    if failure.HasField("timeout_failure_info"):
        lost = failure.timeout_failure_info.timeout_type == TimeoutType.TIMEOUT_TYPE_HEARTBEAT
        code = "worker_lost" if lost else "timeout"
        return ErrorInfo(code=code, message=failure.message, retryable=True)
    return ErrorInfo(code="internal", message=failure.message)
