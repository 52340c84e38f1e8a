"""The contract test of an adapter, for whoever writes one; it needs no test framework.

`check_contract` asks each example of every available offer of its capability: to the end; then
cancelled at once; and, where the first call told of progress, cancelled when that is told. What is
wrong is collected and told together.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from providers.adapters.base import ProviderAdapter
from providers.offering import check_offering
from providers.trial import Trial
from providers.types import REQUESTS, AudioFile, Capability, Offer, TranscriptionRequest, Value


class ContractBroken(AssertionError):
    """An adapter does not do what the product relies on.

    Attributes:
        faults: Everything that is wrong, one sentence each.
    """

    def __init__(self, provider: str, faults: Sequence[str]) -> None:
        """Take all faults, at least one."""
        lines = (f"\n- {fault}" for fault in faults)
        super().__init__(f"The provider '{provider}' breaks the contract:{''.join(lines)}")
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Example:
    """Something to ask.

    Attributes:
        request: Of the capability's request type.
        audio: The recording behind `request.audio_url`, for speech.
    """

    capability: Capability
    request: Value
    audio: AudioFile | None = None


async def check_contract(
    adapter: ProviderAdapter,
    good: Sequence[Example],
    bad: Sequence[Example] = (),
    *,
    capabilities: Collection[Capability] = tuple(Capability),
    seconds: float = 60,
) -> None:
    """Check an adapter's name, its offers, and what it does with examples.

    Args:
        adapter: Stays open; the caller closes it.
        good: Must be answered; at least one for each capability that is available.
        bad: Of the right type, and still must end in a `ProviderError`: a language that the
            provider has not, a recording that is none.
        capabilities: What is checked.
        seconds: The longest that one call may take.

    Raises:
        ContractBroken: Lists everything that is wrong.
    """
    offers, found = check_offering(adapter)
    offers = [offer for offer in offers if offer.capability in capabilities]
    faults = [*found, *_example_faults(offers, good, bad)]
    for example, is_good in [*((one, True) for one in good), *((one, False) for one in bad)]:
        for offer in offers:
            if offer.available and offer.capability is example.capability:
                trial = Trial(adapter, offer, example.request, example.audio, seconds)
                faults += await (trial.ask_good() if is_good else trial.ask_bad())
    if faults:
        raise ContractBroken(str(getattr(adapter, "name", type(adapter).__name__)), faults)


def _example_faults(
    offers: Sequence[Offer], good: Sequence[Example], bad: Sequence[Example]
) -> Iterator[str]:
    """Find what would stay unchecked."""
    available = {offer.capability: None for offer in offers if offer.available}
    for capability in available:
        if capability not in {example.capability for example in good}:
            yield f"{capability}: there is no good example."
    if not good and not available:
        yield "There is no good example."
    for example in (*good, *bad):
        expected, found = REQUESTS[example.capability], type(example.request)
        if found is not expected:
            yield f"{example.capability}: an example is a {found.__name__}, no {expected.__name__}."
        if expected is TranscriptionRequest and example.audio is None:
            yield f"{example.capability}: an example has no recording (audio=AudioFile(…))."
        if example.capability not in available:
            reasons = [offer.reason or "" for offer in offers if not offer.available]
            told = " ".join(reasons) or "The adapter does not offer it."
            yield f"{example.capability}: there is an example and no available offer. {told}"
