"""Value types of the capability layer: what can be asked, what comes back, what it used.

Everything here is immutable, JSON-serialisable and free of I/O, so that pipelines, workflows
and activities may all import it.
"""

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator

Money = Annotated[
    Decimal, PlainSerializer(lambda value: format(value, "f"), return_type=str, when_used="json")
]
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

    Attributes:
        audio_url: `https://…` or `artifact://…`; the caller of an adapter has fetched it already.
        language: BCP 47 tag; absent means that the provider decides.
    """

    audio_url: str
    language: str | None = None


class TranscriptionResponse(Value):
    """Speech as text. `segments` is null where the provider gives no times."""

    text: str
    language: str | None
    duration_seconds: float = Field(ge=0)
    segments: tuple[Segment, ...] | None


class Message(Value):
    """One turn of a conversation with a language model."""

    role: Literal["system", "user", "assistant"]
    content: str


class GenerationRequest(Value):
    """Ask a language model for text, or for data that follows `response_schema`."""

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
    """What a language model wrote."""

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
        entities: Entity types to look for; absent means all that the provider knows.
        mode: `mask` writes `[TYPE]`, `remove` writes nothing, `hash` writes a keyed digest.
    """

    entities: tuple[str, ...] | None = None
    mode: Literal["mask", "remove", "hash"] = "mask"


class Entity(Value):
    """A place where personal data stood; never the value itself.

    Attributes:
        start: Code points into the input text, or into segment number `segment`.
        end: Exclusive.
    """

    type: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    score: float = Field(ge=0, le=1)
    segment: int | None = None


class RedactionResponse(Value):
    """The input with personal data hidden."""

    text: str
    segments: tuple[Segment, ...] | None = None
    entities: tuple[Entity, ...]


class SentimentRequest(_TextOrSegments):
    """Ask how a text feels. Segments win over text."""


class SegmentSentiment(Value):
    """The mood of one input segment, in the order of the input."""

    label: Literal["positive", "neutral", "negative", "mixed"]
    score: float = Field(ge=-1, le=1)
    speaker: str | None = None


class SentimentResponse(Value):
    """The mood of the whole, `score` from -1 (negative) to 1 (positive)."""

    label: Literal["positive", "neutral", "negative", "mixed"]
    score: float = Field(ge=-1, le=1)
    segments: tuple[SegmentSentiment, ...] | None = None


class SummarizationRequest(Value):
    """Ask for a shorter text."""

    text: str
    max_sentences: int | None = Field(default=None, ge=1)


class SummarizationResponse(Value):
    """The shorter text."""

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
        output_tokens: All output tokens, reasoning included.
        audio_seconds: Length of the audio that was processed.
        characters: Code points of the text that was processed.
    """

    input_tokens: int | None = Field(default=None, ge=0)
    cached_input_tokens: int | None = Field(default=None, ge=0)
    cache_write_input_tokens: int | None = Field(default=None, ge=0)
    output_tokens: int | None = Field(default=None, ge=0)
    audio_seconds: float | None = Field(default=None, ge=0)
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
        input: Input tokens that were neither read from nor written to the provider's cache.
    """

    above_input_tokens: int = Field(default=-1, ge=-1)
    input: Money | None
    cached_input: Money | None
    cache_write_input: Money | None
    output: Money | None


class Offer(Value):
    """One capability that one provider offers with one model.

    Attributes:
        provider: The provider's name, such as `deepgram`.
        cost_unit: What is charged for.
        price: USD per `cost_unit`; null when unknown, with `price_source` saying why. For tokens it
            is the price of one input token of a short request that nothing is cached of: the first
            figure of a vendor's price list, good for comparing, while `token_prices` make the cost.
        token_prices: The price lists of an offer that is sold by the token, lowest threshold first.
        price_source: Where the price comes from, or why there is none.
        available: Whether a worker with the present settings can call it.
        reason: Why it is not available, and how to mend that.
        caveat: What it is too weak for, in one sentence for its users.
    """

    provider: str
    capability: Capability
    model: str
    quality_tier: QualityTier
    cost_unit: CostUnit
    price: Money | None
    price_source: str
    token_prices: tuple[TokenPrices, ...] = ()
    limits: Limits = Limits()
    available: bool = True
    reason: str | None = None
    caveat: str | None = None


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
