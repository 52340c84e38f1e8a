"""Translates a vendor's failures by a table: status, type and code in, our error out.

Each adapter keeps its vendor's table as data. The first row that fits wins, so that particular
rows stand above general ones. The vendor's words are only ever shown, never decided by: they
change without notice.
"""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import structlog

from providers.errors import (
    InputTooLarge,
    InvalidRequest,
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
)

_SHOWN_CHARACTERS = 300
# So many that no key is cut in two where it would be shown.
_READ_CHARACTERS = 100_000
# What a key looks like when a vendor repeats it, whole or with its middle starred out.
_KEY = re.compile(r"\bsk-[A-Za-z0-9_*\-]{6,}|[\w\-]{0,40}\*{3,}[\w\-]*")
# A wish beyond that is as good as none, and Temporal has no room for the longest ones.
_LONGEST_WISH = timedelta(days=365)
_CLIENT_ERRORS = range(400, 500)
# What concerns the key or the model whoever asks: a 403 may be about one request only.
_OF_THE_KEY = (401, 404)
KEY_REST = timedelta(minutes=5)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """One row: what a failure must show, and which error of ours it is. None fits anything."""

    error: type[ProviderError]
    status: int | None = None
    type: str | None = None
    code: str | None = None
    param: str | None = None

    def fits(self, failure: "VendorFailure") -> bool:
        """Say whether the failure shows all that the row names."""
        return all(
            wanted is None or wanted == shown
            for wanted, shown in (
                (self.status, failure.status),
                (self.type, failure.type),
                (self.code, failure.code),
                (self.param, failure.param),
            )
        )


STATUS_ROWS = (
    ErrorRow(InvalidRequest, status=400),
    ErrorRow(ProviderUnavailable, status=401),
    ErrorRow(QuotaExhausted, status=402),
    ErrorRow(ProviderUnavailable, status=403),
    ErrorRow(ProviderUnavailable, status=404),
    ErrorRow(ProviderFault, status=408),
    ErrorRow(ProviderFault, status=409),
    ErrorRow(InputTooLarge, status=413),
    ErrorRow(InvalidRequest, status=422),
    ErrorRow(RateLimited, status=429),
    ErrorRow(ProviderFault, status=500),
    ErrorRow(ProviderFault, status=502),
    ErrorRow(ProviderFault, status=503),
    ErrorRow(ProviderFault, status=504),
)
"""What a status means by itself; the general rows, which follow a vendor's particular ones."""


@dataclass(frozen=True, slots=True)
class VendorFailure:
    """What a vendor said went wrong.

    Attributes:
        status: The HTTP status; absent when the answer had begun well and failed later.
        type: The vendor's broad class of error.
        code: The vendor's name of the cause.
        message: The vendor's words, empty where there are none.
        param: The parameter of the request that the vendor does not like.
    """

    status: int | None
    type: str | None
    code: str | None
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    param: str | None = None


def translate(
    vendor: str, table: Sequence[ErrorRow], failure: VendorFailure, secret: str
) -> ProviderError:
    """Make our error of a vendor's failure.

    A failure that no row fits goes on to the next provider when it is the vendor's "no" (4xx), and
    is retried otherwise; the log line asks for a new row.

    Args:
        vendor: The vendor's name as people read it.
        table: The vendor's errors, particular rows first.
        failure: What the vendor said.
        secret: The API key; not shown even if the vendor repeats it.
    """
    kind = next((row.error for row in table if row.fits(failure)), None)
    broad, cause = (
        showable(str(name), secret) if name else None for name in (failure.type, failure.code)
    )
    if kind is None:
        kind = ProviderUnavailable if failure.status in _CLIENT_ERRORS else ProviderFault
        log.warning(
            "unknown provider error",
            provider=vendor,
            status=failure.status,
            type=broad,
            error_code=cause,
            treated_as=kind.code,
        )
    names = " ".join(str(part) for part in (failure.status, cause or broad) if part)
    said = f"{vendor} answered {names or 'an error'}"
    words = showable(failure.message, secret)
    message = f"{said}: {words}" if words else f"{said}."
    error = kind(message, retry_after=read_retry_after(failure.headers))
    return error.resting(KEY_REST) if failure.status in _OF_THE_KEY else error


def showable(text: str, secret: str) -> str:
    """Make a vendor's words fit to be shown and kept: in one line, short, and without the key.

    The key is hidden also as addresses and headers encode it, and so is what looks like one.
    """
    text = " ".join(text.split())[:_READ_CHARACTERS]
    if secret:
        encoded = b64encode(secret.encode()).decode().rstrip("=")
        for form in (secret, quote(secret, safe=""), encoded):
            text = text.replace(form, "[key]")
    text = _KEY.sub("[key]", text)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def read_retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read how long the vendor asks us to wait.

    `Retry-After` has seconds or a date (RFC 9110, 10.2.3); OpenAI's `retry-after-ms` is finer.
    """
    milliseconds, after = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return _bounded(timedelta(milliseconds=float(milliseconds)))
        if after is not None:
            return _bounded(_seconds_or_date(after))
    except (ValueError, OverflowError):
        log.info("unreadable Retry-After")
    return None


def _seconds_or_date(value: str) -> timedelta:
    try:
        return timedelta(seconds=float(value))
    except ValueError:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)) - datetime.now(UTC)


def _bounded(delay: timedelta) -> timedelta:
    return min(max(delay, timedelta()), _LONGEST_WISH)
