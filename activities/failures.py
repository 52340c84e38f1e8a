"""Turns the errors of the rooms below into Temporal's application errors."""

from datetime import UTC, datetime
from decimal import Decimal

from temporalio.exceptions import ApplicationError

from activities.types import CallFailure, CallProviderInput
from artifacts.errors import ArtifactError
from ledger.errors import LedgerError
from pipelines.errors import PipelineError
from providers.errors import LONGEST_WAIT, ProviderError

KNOWN_ERRORS = (ProviderError, ArtifactError, LedgerError, PipelineError)


def to_application_error(
    error: ProviderError | ArtifactError | LedgerError | PipelineError,
    attempt: int,
    *,
    worth_waiting: bool = True,
    cost_usd: Decimal | None = None,
) -> ApplicationError:
    """Keep code, posture and message; the code is the error's type.

    Args:
        error: What went wrong.
        attempt: The attempt that it ended, from 1.
        cost_usd: Over all attempts at the call; None when unknown.
        worth_waiting: Whether the delay that the provider asks for may be waited for.
    """
    provider_error = error if isinstance(error, ProviderError) else None
    failure = CallFailure(
        code=error.code,
        message=str(error),
        retryable=False if isinstance(error, PipelineError) else error.retryable,
        fallback=isinstance(error, ProviderError | LedgerError) and error.fallback,
        attempt=attempt,
        cost_usd=cost_usd,
    )
    return ApplicationError(
        failure.message,
        failure,
        type=failure.code,
        non_retryable=not (failure.retryable and worth_waiting),
        next_retry_delay=provider_error.retry_after if provider_error else None,
    )


def is_worth_waiting(error: Exception, call: CallProviderInput) -> bool:
    """Say whether the same candidate may be asked again when it wants to be.

    A run that would be over by then does not wait; one with other candidates not for long.
    """
    delay = error.retry_after if isinstance(error, ProviderError) else None
    if delay is None:
        return True
    if call.deadline is not None and datetime.now(UTC) + delay >= call.deadline:
        return False
    return call.is_last or delay <= LONGEST_WAIT
