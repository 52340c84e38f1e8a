"""One provider call as a Temporal activity: its options, and what its failure means.

A lost worker (heartbeat time-out) says nothing about the provider, but Temporal counts it as an
attempt. When only lost workers are to blame for the last failure, the same call is scheduled again.
"""

from datetime import timedelta

from pydantic import ValidationError
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
    RetryState,
    TimeoutType,
)
from temporalio.exceptions import (
    TimeoutError as TemporalTimeoutError,
)

from activities.types import (
    CALL_PROVIDER,
    LEDGER_PATIENCE,
    PROBE_RECORDINGS,
    CallFailure,
    CallProviderInput,
    CallProviderResult,
    ErrorInfo,
    Probed,
    ProbeInput,
)
from pipelines.model import StepDefinition

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
# Of local activities, which look something up or write a row.
LOCAL_TIMEOUT = timedelta(seconds=10)
LOCAL_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200))
# Over the activity's own time limits, one for a download and one for the call, which report what
# was used; this one is the safety net. A bought answer waits for the ledger's database, at its
# beginning and at its end.
_GRACE = timedelta(seconds=2 * LEDGER_PATIENCE + 15)
_PROBE_TIMEOUT = timedelta(minutes=10)
# Lost workers only: the activity itself takes what it can't have for unknown.
_PROBE_RETRY = RetryPolicy(maximum_attempts=5)
# The type that the SDK gives to the failure of an activity whose worker is stopped.
WORKER_SHUTDOWN = "WorkerShutdown"


def start_call(call: CallProviderInput) -> workflow.ActivityHandle[CallProviderResult]:
    """Schedule one call; its handle cancels it, and ends when what it used is recorded."""
    return workflow.start_activity(
        CALL_PROVIDER,
        call,
        result_type=CallProviderResult,
        start_to_close_timeout=timedelta(seconds=2 * call.step.timeout) + _GRACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=_retry_policy(call.step),
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=f"{_place(call)} · {call.candidate}",
    )


def _place(call: CallProviderInput) -> str:
    """Return the step, with the item where it has several."""
    return call.step.name if call.item is None else f"{call.step.name}[{call.item}]"


def start_probe(asked: ProbeInput) -> workflow.ActivityHandle[Probed]:
    """Look at remote recordings before the run is admitted; what can't be had stays unknown."""
    return workflow.start_activity(
        PROBE_RECORDINGS,
        asked,
        result_type=Probed,
        start_to_close_timeout=_PROBE_TIMEOUT,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=_PROBE_RETRY,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary="length of the recordings",
    )


def failure_of(error: ActivityError, call: CallProviderInput) -> CallFailure:
    """Read what happened, from the failure alone: the projection reads it the same way."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details:
        try:
            return CallFailure.model_validate(cause.details[0])
        except ValidationError:
            pass  # somebody failed the activity by hand, with details of their own
    exhausted = error.retry_state == RetryState.MAXIMUM_ATTEMPTS_REACHED
    attempts = call.earlier_attempts + (call.step.retry.max_attempts if exhausted else 1)
    code, message = "internal", str(cause or error)
    if is_worker_loss(cause):
        code, message = "worker_lost", "The worker that made the call was lost."
    elif isinstance(cause, TemporalTimeoutError):
        code, message = "timeout", f"The call took longer than {call.step.timeout:g} s."
    known = code != "internal"
    return CallFailure(
        code=code, message=message, retryable=known, fallback=known, attempt=attempts
    )


def error_of(failure: FailureError, step: str | None = None) -> ErrorInfo:
    """Say why a local activity failed for good; its own error comes unwrapped."""
    problem = failure.cause if isinstance(failure, ActivityError) else failure
    code = problem.type if isinstance(problem, ApplicationError) else None
    message = problem.message if isinstance(problem, FailureError) else str(problem)
    return ErrorInfo(code=code or "internal", message=message, step=step)


def is_worker_loss(cause: BaseException | None) -> bool:
    """Tell whether a call failed because its worker died or was stopped."""
    if isinstance(cause, ApplicationError):
        return cause.type == WORKER_SHUTDOWN
    return isinstance(cause, TemporalTimeoutError) and cause.type == TimeoutType.HEARTBEAT


def _retry_policy(step: StepDefinition) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=timedelta(seconds=step.retry.initial_interval),
        backoff_coefficient=step.retry.backoff_coefficient,
        maximum_interval=timedelta(seconds=step.retry.max_interval),
        maximum_attempts=step.retry.max_attempts,
    )
