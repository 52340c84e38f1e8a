"""Turns the errors of the rooms below into Temporal's application errors."""

from temporalio.exceptions import ApplicationError

from activities.types import CallFailure
from artifacts.errors import ArtifactError
from pipelines.errors import PipelineError
from providers.errors import ProviderError

KNOWN_ERRORS = (ProviderError, ArtifactError, PipelineError)


def to_application_error(
    error: ProviderError | ArtifactError | PipelineError, attempt: int
) -> ApplicationError:
    """Keep code, posture and message; the code is the error's type."""
    provider_error = error if isinstance(error, ProviderError) else None
    failure = CallFailure(
        code=error.code,
        message=str(error),
        retryable=False if isinstance(error, PipelineError) else error.retryable,
        fallback=provider_error is not None and provider_error.fallback,
        attempt=attempt,
    )
    return ApplicationError(
        failure.message,
        failure,
        type=failure.code,
        non_retryable=not failure.retryable,
        next_retry_delay=provider_error.retry_after if provider_error else None,
    )
