"""The one interface between us and a provider."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from providers.types import AudioFile, Capability, Offer, Usage, Value

ReportProgress = Callable[[float], None]
"""Takes the fraction of the work that is done, 0 to 1; cheap, may be called often."""

ReportUsage = Callable[[Usage | None], None]
"""Takes what an attempt that is being aborted has used, in the words of `ProviderError.usage`."""


def _ignore_usage(_usage: Usage | None) -> None:
    """Do nothing; for callers that do not account for aborted attempts."""


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One call: what is asked of which model.

    Attributes:
        call_id: Idempotency key; the same for every attempt at this call.
        request: The capability's request type (`providers.types.REQUESTS`).
        audio: The recording behind `request.audio_url`, for speech capabilities only.
        timeout: Seconds that this attempt may take.
        report_usage: For attempts that end by cancellation, which brings no answer and no error.
            An adapter that does not call it may have been billed for an unknown amount.
    """

    call_id: str
    capability: Capability
    model: str
    request: Value
    audio: AudioFile | None
    timeout: float
    report_usage: ReportUsage = _ignore_usage


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """The capability's response (`providers.types.RESPONSES`) and what it used."""

    response: Value
    usage: Usage


class ProviderAdapter(ABC):
    """A provider, behind the capabilities that it offers.

    An adapter never retries: retries belong to Temporal. It raises only `ProviderError`s and
    lets cancellation through at once, with nothing left running.

    Attributes:
        name: The provider's name, such as `deepgram`.
        converts_recordings: Whether it makes a recording that exceeds `limits.max_file_bytes`
            smaller where that works. Others never see such a recording.
    """

    name: str
    converts_recordings: bool = False

    @property
    def credential(self) -> str:
        """Tells the adapter's key from others without giving it away; empty where it has none."""
        return ""

    @abstractmethod
    def offers(self) -> Sequence[Offer]:
        """List what this provider can do, unavailable offers with their reason."""

    @abstractmethod
    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        """Make one attempt.

        Raises:
            ProviderError: as `providers.errors` describes, with what the attempt used.
            asyncio.CancelledError: within a second of the cancellation.
        """

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:  # noqa: ARG002
        """Bound what one attempt at a call can use, in each way in which it may go.

        Asked before the attempt where a hard limit holds; the dearest counts. It must hold whatever
        the provider answers.

        Returns:
            Nothing where there is no bound, as here: under a hard limit the call is not made.
        """
        return ()

    async def close(self) -> None:  # noqa: B027 - most adapters hold nothing
        """Release what the adapter holds: connections, processes."""
