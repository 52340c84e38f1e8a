"""Value types of the capability layer: what can be asked, what comes back, what it used.

Everything here is immutable, JSON-serialisable and free of I/O, so that pipelines, workflows
and activities may all import it.
"""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator


def plain(amount: Decimal) -> str:
    """Write an amount the way that every amount is written: no exponent, no trailing zeros."""
    return format(amount.normalize(), "f")


Money = Annotated[Decimal, PlainSerializer(plain, return_type=str, when_used="json")]
"""An exact amount in USD; a plain decimal string in JSON, never a float, never an exponent."""


class Capability(StrEnum):
    """What a step can ask for, independent of who provides it."""

    TRANSCRIPTION = "transcription"
    TRANSCRIPTION_DIARIZATION = "transcription_diarization"
    LLM_GENERATION = "llm_generation"
    PII_REDACTION = "pii_redaction"
    SENTIMENT_ANALYSIS = "sentiment_analysis"
    SUMMARIZATION = "summarization"


class QualityTier(StrEnum):
    """How good an offer is expected to be; the first key of the registry's rank."""

    BASIC = "basic"
    STANDARD = "standard"
    PREMIUM = "premium"


class CostUnit(StrEnum):
    """What a provider charges for."""

    FREE = "free"
    TOKEN = "token"  # noqa: S105 - a unit, not a secret
    MINUTE = "minute"
    CHARACTER = "character"


class Value(BaseModel):
    """Base of every value: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Segment(Value):
    """A stretch of speech by one speaker.

    Attributes:
        start: Seconds from the beginning of the recording.
        end: Seconds from the beginning of the recording.
        text: What was said.
        speaker: A label that is stable within one recording, where speakers are known.
        confidence: The recogniser's own estimate, 0 to 1.
    """

    start: float = Field(ge=0)
    end: float = Field(ge=0)
    text: str
    speaker: str | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)


class TranscriptionRequest(Value):
    """Ask for speech to text; also the request of `transcription_diarization`.

    The caller of an adapter has fetched the recording already.

    Attributes:
        audio_url: `https://…`, or `artifact://…` for an upload.
        language: BCP 47 tag; absent means that the provider decides.
    """

    audio_url: str
    language: str | None = None


class TranscriptionResponse(Value):
    """Speech as text.

    Attributes:
        text: All that was said.
        language: BCP 47 tag; null where the provider does not tell.
        duration_seconds: Length of the recording.
        segments: Who said what, and when; null where the provider gives no times.
    """

    text: str
    language: str | None
    duration_seconds: float = Field(ge=0)
    segments: tuple[Segment, ...] | None


class Message(Value):
    """One turn of a conversation with a language model.

    Attributes:
        role: Who speaks.
        content: What is said.
    """

    role: Literal["system", "user", "assistant"]
    content: str


class GenerationRequest(Value):
    """Ask a language model for text, or for data that follows `response_schema`.

    Attributes:
        prompt: What is asked, in one text.
        messages: What is asked, as a conversation; instead of `prompt`.
        system: How the model shall behave.
        max_output_tokens: Bound of the answer.
        response_schema: JSON Schema of the answer; it then stands in `data`.
    """

    prompt: str | None = None
    messages: tuple[Message, ...] | None = None
    system: str | None = None
    max_output_tokens: int = Field(default=1024, ge=1)
    response_schema: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give exactly one of 'prompt' and 'messages'")
        return self


class GenerationResponse(Value):
    """What a language model wrote.

    Attributes:
        text: The answer as it was written.
        data: The answer as data, where a `response_schema` asked for it and it is whole.
        finish_reason: `stop`, or `length` where `max_output_tokens` cut the answer off.
    """

    text: str
    data: dict[str, Any] | None = None
    finish_reason: str


class _TextOrSegments(Value):
    text: str | None = None
    segments: tuple[Segment, ...] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.text is None and self.segments is None:
            raise ValueError("give 'text' or 'segments'")
        return self


class RedactionRequest(_TextOrSegments):
    """Ask for personal data to be hidden. Segments win over text.

    Attributes:
        text: A text without speakers and times.
        segments: A transcript's segments, such as `transcript.segments`.
        entities: Entity types to look for; absent means all that the provider knows.
        mode: `mask` writes `[TYPE]`, `remove` writes nothing, `hash` writes a keyed digest.
    """

    entities: tuple[str, ...] | None = None
    mode: Literal["mask", "remove", "hash"] = "mask"


class Entity(Value):
    """A place where personal data stood; never the value itself.

    Attributes:
        type: What kind of data it was, such as `EMAIL_ADDRESS`.
        start: Code points into the input text, or into segment number `segment`.
        end: The same; exclusive.
        score: How sure the provider is, 0 to 1.
        segment: Number of the segment, from 0; null where a text was given.
    """

    type: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    score: float = Field(ge=0, le=1)
    segment: int | None = None


class RedactionResponse(Value):
    """The input with personal data hidden.

    Attributes:
        text: The redacted text; of segments, one a line.
        segments: The redacted segments, where segments were given.
        entities: What was hidden, and where; empty where nothing was found.
    """

    text: str
    segments: tuple[Segment, ...] | None = None
    entities: tuple[Entity, ...]


class SentimentRequest(_TextOrSegments):
    """Ask how a text feels. Segments win over text.

    Attributes:
        text: A text without speakers and times.
        segments: A transcript's segments, such as `transcript.segments`.
    """


class SegmentSentiment(Value):
    """The mood of one input segment, in the order of the input.

    Attributes:
        label: In one word.
        score: From -1 (negative) to 1 (positive).
        speaker: Who said it, where that is known.
    """

    label: Literal["positive", "neutral", "negative", "mixed"]
    score: float = Field(ge=-1, le=1)
    speaker: str | None = None


class SentimentResponse(Value):
    """The mood of the whole.

    Attributes:
        label: In one word.
        score: From -1 (negative) to 1 (positive).
        segments: The mood of each segment, where segments were given.
    """

    label: Literal["positive", "neutral", "negative", "mixed"]
    score: float = Field(ge=-1, le=1)
    segments: tuple[SegmentSentiment, ...] | None = None


class SummarizationRequest(Value):
    """Ask for a shorter text.

    Attributes:
        text: What to shorten.
        max_sentences: Bound of the answer; absent means that the provider decides.
    """

    text: str
    max_sentences: int | None = Field(default=None, ge=1)


class SummarizationResponse(Value):
    """The shorter text.

    Attributes:
        text: The summary.
    """

    text: str


REQUESTS: dict[Capability, type[Value]] = {
    Capability.TRANSCRIPTION: TranscriptionRequest,
    Capability.TRANSCRIPTION_DIARIZATION: TranscriptionRequest,
    Capability.LLM_GENERATION: GenerationRequest,
    Capability.PII_REDACTION: RedactionRequest,
    Capability.SENTIMENT_ANALYSIS: SentimentRequest,
    Capability.SUMMARIZATION: SummarizationRequest,
}
RESPONSES: dict[Capability, type[Value]] = {
    Capability.TRANSCRIPTION: TranscriptionResponse,
    Capability.TRANSCRIPTION_DIARIZATION: TranscriptionResponse,
    Capability.LLM_GENERATION: GenerationResponse,
    Capability.PII_REDACTION: RedactionResponse,
    Capability.SENTIMENT_ANALYSIS: SentimentResponse,
    Capability.SUMMARIZATION: SummarizationResponse,
}


class Usage(Value):
    """What one call used, in the units that providers sell. Absent means not applicable.

    Attributes:
        input_tokens: All input tokens, cached ones included.
        cached_input_tokens: The part of `input_tokens` that the provider read from its cache.
        cache_write_input_tokens: The part of `input_tokens` that it wrote to its cache.
        input_audio_tokens: The part of `input_tokens` that stands for sound; no cached ones.
        output_tokens: All output tokens, reasoning included.
        audio_seconds: Length of the audio that was processed, summed over channels where each one
            is sold.
        diarized_seconds: The part of `audio_seconds` in which voices were told apart, where that is
            sold by itself.
        characters: Code points of the text that was processed.
    """

    input_tokens: int | None = Field(default=None, ge=0)
    cached_input_tokens: int | None = Field(default=None, ge=0)
    cache_write_input_tokens: int | None = Field(default=None, ge=0)
    input_audio_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    audio_seconds: float | None = Field(default=None, ge=0)
    diarized_seconds: float | None = Field(default=None, ge=0)
    characters: int | None = Field(default=None, ge=0)


class Limits(Value):
    """Bounds of an offer; absent means that none is known."""

    max_file_bytes: int | None = None
    max_duration_seconds: float | None = None
    max_input_tokens: int | None = None
    languages: tuple[str, ...] | None = None


class TokenPrices(Value):
    """What a language model's tokens cost, in USD per million; null where the price is unknown.

    A vendor may charge more for long requests. Each price list then has its threshold, and the
    highest one that a request exceeds holds for all of the request's tokens, output included.

    Attributes:
        above_input_tokens: The list holds for requests with more input tokens than this; -1 for
            all of them.
        input: Text that was neither read from nor written to the provider's cache.
        input_audio: Sound.
    """

    above_input_tokens: int = Field(default=-1, ge=-1)
    input: Money | None
    cached_input: Money | None
    cache_write_input: Money | None
    input_audio: Money | None = None
    output: Money | None


class Offer(Value):
    """One capability that one provider offers with one model.

    Attributes:
        provider: The provider's name, such as `deepgram`.
        cost_unit: What is charged for.
        price: USD per `cost_unit`; null when unknown, with `price_source` saying why. For tokens it
            is the price of one input token (of text; of sound for a model that hears) of a short
            request that nothing is cached of: the first figure of a vendor's price list, good for
            comparing, while `token_prices` make the cost.
        token_prices: The price lists of an offer that is sold by the token, lowest threshold first.
        diarization_price: What a minute costs more when voices are told apart, in USD, where that
            is sold by itself.
        price_source: Where the price comes from, or why there is none.
        available: Whether a worker with the present settings can call it.
        reason: Why it is not available, and how to mend that.
        caveat: What it is too weak for, in one sentence for its users.
        retires: The first day on which the vendor may have taken the model away.
    """

    provider: str
    capability: Capability
    model: str
    quality_tier: QualityTier
    cost_unit: CostUnit
    price: Money | None
    price_source: str
    token_prices: tuple[TokenPrices, ...] = ()
    diarization_price: Money | None = None
    limits: Limits = Limits()
    available: bool = True
    reason: str | None = None
    caveat: str | None = None
    retires: date | None = None


class AudioFile(Value):
    """A recording on local disk, ready for an adapter to read.

    Attributes:
        path: Readable until the call returns; adapters must not change it.
        media_type: As detected from the content.
        size: Bytes.
    """

    path: Path
    media_type: str
    size: int
