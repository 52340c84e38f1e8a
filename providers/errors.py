"""Errors of the capability layer, each with what happens next.

    ProviderError
    ├── RateLimited           rate_limited          retry
    ├── ProviderFault         provider_fault        retry   5xx, timeout, connection lost
    ├── ProviderUnavailable   provider_unavailable  next    no key here, or the provider is unusable
    ├── QuotaExhausted        quota_exhausted       next
    ├── CoolingDown           cooldown              next    somebody else has found out why
    ├── UnsupportedInput      unsupported_input     next    this provider can't do this input
    ├── InputTooLarge         input_too_large       next
    ├── InvalidRequest        invalid_request       stop    our input is wrong: nobody else is asked
    ├── InvalidMedia          invalid_media         stop
    ├── OutputTooLarge        output_too_large      stop    more than one activity may return
    └── Refused               refused               stop    the model declined

Retry eligibility (`retryable`) and fallback eligibility (`fallback`) are separate: a rate limit is
retried at the same candidate and, once its attempts are used up, the next candidate is asked; a
refused input is neither retried nor offered to anybody else.
"""

from datetime import timedelta
from typing import ClassVar, Self

from providers.types import Usage

LONGEST_WAIT = timedelta(seconds=30)
"""A provider that asks us to wait longer is left for the next candidate."""


class ProviderError(Exception):
    """A provider call failed.

    Attributes:
        code: Stable identifier, the `type` of the Temporal application error.
        retryable: Whether the same candidate may be asked again.
        fallback: Whether the next candidate may be asked.
        retry_after: The provider's own wish for the delay before the next attempt.
        rest: For how long nobody is to ask the provider again, where the error alone says so.
        usage: What the failed attempt used, as far as it is known; None when it surely cost
            nothing. An empty one says that it may have been billed, and nobody knows for what.
    """

    code: ClassVar[str]
    retryable: ClassVar[bool] = False
    fallback: ClassVar[bool] = False
    rest: timedelta | None = None

    def __init__(
        self, message: str, *, retry_after: timedelta | None = None, usage: Usage | None = None
    ) -> None:
        """Take one plain sentence for people, without secrets and without input data."""
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.usage = usage

    @property
    def cooldown(self) -> timedelta | None:
        """For how long nobody is to ask the provider; None when others may."""
        wish = self.retry_after
        return wish if wish is not None and wish > LONGEST_WAIT else self.rest

    def resting(self, rest: timedelta | None) -> Self:
        """Let nobody ask the provider for so long, where the failure concerns every request."""
        self.rest = rest or self.rest
        return self


class RateLimited(ProviderError):
    """The provider asks us to slow down."""

    code, retryable, fallback = "rate_limited", True, True


class ProviderFault(ProviderError):
    """The provider failed: 5xx, timeout, connection lost, an answer that can't be read."""

    code, retryable, fallback = "provider_fault", True, True


class ProviderUnavailable(ProviderError):
    """This worker can't use the provider: no key, key refused, model gone."""

    code, fallback = "provider_unavailable", True


class QuotaExhausted(ProviderError):
    """The account at the provider has no quota or credit left."""

    code, fallback = "quota_exhausted", True
    rest = timedelta(hours=1)


class CoolingDown(ProviderError):
    """Nobody is to ask the provider for a while: somebody has found out why."""

    code, fallback = "cooldown", True


class UnsupportedInput(ProviderError):
    """This provider can't process this input; another one may."""

    code, fallback = "unsupported_input", True


class InputTooLarge(ProviderError):
    """The input exceeds this provider's limits; another one's may be larger."""

    code, fallback = "input_too_large", True


class InvalidRequest(ProviderError):
    """The request is wrong whoever gets it."""

    code = "invalid_request"


class InvalidMedia(ProviderError):
    """The recording can't be read as audio."""

    code = "invalid_media"


class OutputTooLarge(ProviderError):
    """The answer has more bytes than one activity may return."""

    code = "output_too_large"


class Refused(ProviderError):
    """The model declined to answer, or a content filter stopped it."""

    code = "refused"


PROVIDER_ERRORS: tuple[type[ProviderError], ...] = (
    RateLimited,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    CoolingDown,
    UnsupportedInput,
    InputTooLarge,
    InvalidRequest,
    InvalidMedia,
    OutputTooLarge,
    Refused,
)
"""Every concrete class, for tables and tests."""
