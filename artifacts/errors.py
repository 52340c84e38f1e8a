"""Errors of the artifact room.

ArtifactError
├── ArtifactNotFound   not_found       stop
├── EmptyArtifact      invalid         stop
├── ArtifactTooLarge   too_large       stop
├── FetchRefused       fetch_refused   stop    an address that we don't fetch from
├── FetchFailed        fetch_failed    stop    gone, forbidden, not a recording's address
└── FetchInterrupted   fetch_failed    retry   the other side failed or the connection broke
"""

from typing import ClassVar


class ArtifactError(Exception):
    """Something about stored or fetched content is wrong.

    Attributes:
        code: Stable identifier.
        retryable: Whether the same may work a moment later.
    """

    code: ClassVar[str]
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        """Take one plain sentence for people."""
        super().__init__(message)
        self.message = message


class ArtifactNotFound(ArtifactError):
    """No such artifact, or another tenant's."""

    code = "not_found"


class EmptyArtifact(ArtifactError):
    """There were no bytes."""

    code = "invalid"


class ArtifactTooLarge(ArtifactError):
    """More bytes than one artifact may have."""

    code = "too_large"


class FetchRefused(ArtifactError):
    """The address is not one that we fetch from."""

    code = "fetch_refused"


class FetchFailed(ArtifactError):
    """The address gave no content, and will not a moment later either."""

    code = "fetch_failed"


class FetchInterrupted(FetchFailed):
    """The other side failed or the connection broke."""

    retryable = True
