"""The smallest real call of an offer, to find out whether it works and what it costs."""

import asyncio
import math
import tempfile
import time
import wave
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from providers.adapters.base import ProviderAdapter, ProviderCall
from providers.errors import (
    ProviderError,
    ProviderFault,
    ProviderUnavailable,
    QuotaExhausted,
    RateLimited,
    Refused,
)
from providers.prices import cost_of
from providers.types import (
    AudioFile,
    Capability,
    GenerationRequest,
    GenerationResponse,
    Offer,
    RedactionRequest,
    RedactionResponse,
    SentimentRequest,
    SentimentResponse,
    SummarizationRequest,
    SummarizationResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    Usage,
    Value,
)

TIMEOUT = 60.0
"""Seconds that a call may take: a model that has to be loaded first is slow."""

_SPEECH = TranscriptionRequest(audio_url="https://example.com/one-second.wav")
_QUESTIONS: dict[Capability, Value] = {
    Capability.TRANSCRIPTION: _SPEECH,
    Capability.TRANSCRIPTION_DIARIZATION: _SPEECH,
    # 16 is the least that OpenAI takes (API reference of responses, read 2026-11).
    Capability.LLM_GENERATION: GenerationRequest(
        prompt="Answer with one word: ready", max_output_tokens=16
    ),
    Capability.PII_REDACTION: RedactionRequest(text="My name is Jane Smith."),
    Capability.SENTIMENT_ANALYSIS: SentimentRequest(text="I am very happy with this."),
    Capability.SUMMARIZATION: SummarizationRequest(
        text="The order was late. It came on Monday, and all is well now.", max_sentences=1
    ),
}
_SMALLEST_FIRST = (
    Capability.LLM_GENERATION,
    Capability.SUMMARIZATION,
    Capability.SENTIMENT_ANALYSIS,
    Capability.PII_REDACTION,
    Capability.TRANSCRIPTION,
    Capability.TRANSCRIPTION_DIARIZATION,
)
_RATE = 16_000  # Hz
_SECONDS = 1
_LOUDNESS = 3_000  # of 32,767
_TONES = (440, 330)  # Hz, a channel each: providers that part speakers by channel want two signals

_MEND: dict[type[ProviderError], str] = {
    RateLimited: "Wait a while and try again; the account's limits are the provider's to raise.",
    ProviderFault: "Try again; if it stays, see whether the provider is up, and its address.",
    ProviderUnavailable: "Check the key, and that it may use this model.",
    QuotaExhausted: "Add credit at the provider, or raise the spend limit there.",
    Refused: "Nothing in the question is improper: try again, or ask another model.",
}
_MEND_OTHERS = "The smallest call there is was turned down: the provider's API may have changed."


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of one call.

    Attributes:
        seconds: How long it took; 0 where nobody was asked.
        said: The answer in short; None when there is none.
        usage: In the words of `ProviderError.usage`.
        cost: USD; None when unknown.
        problem: What went wrong.
        mend: What to do about it.
    """

    offer: Offer
    seconds: float = 0
    said: str | None = None
    usage: Usage | None = None
    cost: Decimal | None = Decimal(0)
    problem: str | None = None
    mend: str | None = None

    @property
    def works(self) -> bool:
        """Whether the provider answered."""
        return self.problem is None


def smallest_of(offers: Iterable[Offer]) -> Sequence[Offer]:
    """Choose one offer of each provider, whose call is the smallest: a word rather than a sound."""
    order = {capability: place for place, capability in enumerate(_SMALLEST_FIRST)}
    chosen: dict[str, Offer] = {}
    for offer in sorted(offers, key=lambda offer: (offer.provider, order[offer.capability])):
        chosen.setdefault(offer.provider, offer)
    return list(chosen.values())


async def probe(adapter: ProviderAdapter, offer: Offer) -> Probe:
    """Make the smallest call of an offer; one that is not available is not asked."""
    if not offer.available:
        return Probe(offer, problem="not available", mend=offer.reason)
    begun = time.monotonic()
    try:
        with _audio_for(offer.capability) as audio:
            call = ProviderCall(
                call_id=f"probe-{uuid4().hex}",
                capability=offer.capability,
                model=offer.model,
                request=_QUESTIONS[offer.capability],
                audio=audio,
                timeout=TIMEOUT,
            )
            async with asyncio.timeout(TIMEOUT):
                answer = await adapter.call(call, lambda _: None)
    except TimeoutError:
        error = ProviderFault(f"No answer within {TIMEOUT:g} s.", usage=Usage())
        return _failed(offer, time.monotonic() - begun, error)
    except ProviderError as error:
        return _failed(offer, time.monotonic() - begun, error)
    except Exception as error:  # noqa: BLE001 - who looks for faults wants to see them all
        crash = ProviderFault(f"The adapter crashed: {type(error).__name__}.", usage=Usage())
        return _failed(offer, time.monotonic() - begun, crash)
    return Probe(
        offer,
        seconds=time.monotonic() - begun,
        said=_in_short(answer.response),
        usage=answer.usage,
        cost=cost_of(offer, answer.usage),
    )


def _failed(offer: Offer, seconds: float, error: ProviderError) -> Probe:
    return Probe(
        offer,
        seconds=seconds,
        usage=error.usage,
        cost=Decimal(0) if error.usage is None else cost_of(offer, error.usage),
        problem=f"{error.message} [{error.code}]",
        mend=_MEND.get(type(error), _MEND_OTHERS),
    )


def _in_short(response: Value) -> str:
    match response:
        case TranscriptionResponse():
            return response.text or "no speech"
        case SentimentResponse():
            return f"{response.label} ({response.score:g})"
        case GenerationResponse() | RedactionResponse() | SummarizationResponse():
            return response.text
        case _:
            return type(response).__name__


@contextmanager
def _audio_for(capability: Capability) -> Iterator[AudioFile | None]:
    """Make a second of sound where the capability hears: tones, which nobody would transcribe."""
    if not isinstance(_QUESTIONS[capability], TranscriptionRequest):
        yield None
        return
    tones = _TONES if capability is Capability.TRANSCRIPTION_DIARIZATION else _TONES[:1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one-second.wav"
        _write_tones(path, tones)
        yield AudioFile(path=path, media_type="audio/wav", size=path.stat().st_size)


def _write_tones(path: Path, tones: tuple[int, ...]) -> None:
    samples = array(
        "h",
        (
            round(_LOUDNESS * math.sin(2 * math.pi * tone * moment / _RATE))
            for moment in range(_SECONDS * _RATE)
            for tone in tones
        ),
    )
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(tones))
        file.setsampwidth(samples.itemsize)
        file.setframerate(_RATE)
        file.writeframes(samples.tobytes())
