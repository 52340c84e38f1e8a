"""One provider call as a Temporal activity: its options, and what its failure means.

A lost worker (heartbeat time-out) says nothing about the provider, but Temporal counts it as an
attempt. When only lost workers are to blame for the last failure, the same call is scheduled again.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    RetryState,
    TimeoutType,
)
from temporalio.exceptions import (
    TimeoutError as TemporalTimeoutError,
)

from activities.types import CALL_PROVIDER, CallFailure, CallProviderInput, CallProviderResult
from pipelines.model import StepDefinition

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
# Over the activity's own time limit, which reports what was used; this one is the safety net.
_GRACE = timedelta(seconds=15)


async def call_provider(call: CallProviderInput) -> CallProviderResult:
    """Schedule one call.

    Raises:
        ActivityError: The call failed for good, or was cancelled.
    """
    result: CallProviderResult = await workflow.execute_activity(
        CALL_PROVIDER,
        call,
        result_type=CallProviderResult,
        start_to_close_timeout=timedelta(seconds=call.step.timeout) + _GRACE,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        retry_policy=_retry_policy(call.step),
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=f"{call.step.name} · {call.candidate}",
    )
    return result


def failure_of(error: ActivityError, call: CallProviderInput) -> CallFailure:
    """Read what happened, from the failure alone: the projection reads it the same way."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.details:
        return CallFailure.model_validate(cause.details[0])
    exhausted = error.retry_state == RetryState.MAXIMUM_ATTEMPTS_REACHED
    attempts = call.earlier_attempts + (call.step.retry.max_attempts if exhausted else 1)
    if isinstance(cause, TemporalTimeoutError):
        return CallFailure(
            code="worker_lost" if cause.type == TimeoutType.HEARTBEAT else "timeout",
            message=(
                "The worker that made the call was lost."
                if cause.type == TimeoutType.HEARTBEAT
                else f"The call took longer than {call.step.timeout:g} s."
            ),
            retryable=True,
            fallback=True,
            attempt=attempts,
        )
    return CallFailure(
        code="internal",
        message=str(cause) if cause else str(error),
        retryable=False,
        fallback=False,
        attempt=attempts,
    )


def _retry_policy(step: StepDefinition) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=timedelta(seconds=step.retry.initial_interval),
        backoff_coefficient=step.retry.backoff_coefficient,
        maximum_interval=timedelta(seconds=step.retry.max_interval),
        maximum_attempts=step.retry.max_attempts,
    )
