"""What simulated providers answer: made up from the request alone, the same every time.

An answer is right in its form, and says little: a dialogue of six lines over and over for speech,
digits hidden and nothing else, moods by a dozen words, first sentences.
"""

import hashlib
import hmac
import json
import math
import re
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import BinaryIO, cast

from tinytag import TinyTag, TinyTagException

from providers.adapters.base import ProviderCall
from providers.errors import InvalidRequest, UnsupportedInput
from providers.generation import check_schema
from providers.simulated_data import NoExample, example_of
from providers.types import (
    AudioFile,
    Capability,
    CostUnit,
    Entity,
    GenerationRequest,
    GenerationResponse,
    RedactionRequest,
    RedactionResponse,
    Segment,
    SegmentSentiment,
    SentimentRequest,
    SentimentResponse,
    SummarizationRequest,
    SummarizationResponse,
    TranscriptionRequest,
    TranscriptionResponse,
    Usage,
    Value,
)

SPEECH = frozenset({Capability.TRANSCRIPTION, Capability.TRANSCRIPTION_DIARIZATION})
DIGITS = "PHONE_NUMBER"
"""What digits are taken for."""

# 150 words a minute of six characters each; a token is four characters, or 100 ms of sound. As
# `pipelines.estimating` has them.
_CHARACTERS_PER_SECOND = 15
_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_SECOND = 10

_LINES = (
    "Good morning, how can I help you?",
    "Hello, my order is late, and I am a bit worried.",
    "I am sorry. What is your phone number, please?",
    "It is 555 010 4477.",
    "Thank you. It will be with you on Monday.",
    "That is great, thank you very much.",
)
_SPEAKERS = ("speaker_0", "speaker_1")
_SECONDS_PER_LINE = 4.0
_CONFIDENCE = 0.9
_SCORE = 0.9
# Of a recording that does not tell its length: 16 kHz, 16 bits, one channel.
_BYTES_PER_SECOND = 32_000
_MOST_BYTES = 1 << 26

_NUMBER = re.compile(r"\d(?:[ -]?\d)+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[a-z]+")
_GOOD = frozenset({"glad", "good", "great", "happy", "love", "thank", "thanks", "well"})
_BAD = frozenset({"angry", "bad", "hate", "late", "problem", "sad", "sorry", "worried", "wrong"})
_DIGEST_CHARACTERS = 8
_QUOTED_CHARACTERS = 60


def text_of(request: Value) -> str:
    """Return everything that a request says; of speech, the recording's address."""
    return "\n".join(_texts(request))


def make_up(call: ProviderCall) -> Value:
    """Answer a call.

    Raises:
        InvalidRequest: It is not of its capability, or wants data by something that is no schema.
        UnsupportedInput: No data can be made up for its schema.
    """
    request = call.request
    match request:
        case TranscriptionRequest() if call.capability in SPEECH and call.audio is not None:
            by_speaker = call.capability is Capability.TRANSCRIPTION_DIARIZATION
            return _transcript(request, _length(call.audio), by_speaker=by_speaker)
        case GenerationRequest() if call.capability is Capability.LLM_GENERATION:
            return _generated(request)
        case RedactionRequest() if call.capability is Capability.PII_REDACTION:
            return _redacted(request, call.call_id)
        case SentimentRequest() if call.capability is Capability.SENTIMENT_ANALYSIS:
            return _judged(request)
        case SummarizationRequest() if call.capability is Capability.SUMMARIZATION:
            return _summarized(request)
        case _:
            raise InvalidRequest(f"This is no request for {call.capability}.")


def measure(unit: CostUnit, request: Value, response: Value) -> Usage:
    """Say what an answer uses, in the unit that is sold; of what is free, in the usual one.

    By the minute, a text takes as long as it takes to read it out; by the character, speech has
    those of its transcript.
    """
    spoken = response if isinstance(response, TranscriptionResponse) else None
    given = text_of(request)
    match unit:
        case CostUnit.TOKEN:
            written = _tokens(len(_written(response)))
            if spoken is None:
                return Usage(input_tokens=_tokens(len(given)), output_tokens=written)
            sound = math.ceil(spoken.duration_seconds * _TOKENS_PER_SECOND)
            return Usage(input_tokens=sound, input_audio_tokens=sound, output_tokens=written)
        case CostUnit.MINUTE:
            aloud = round(len(given) / _CHARACTERS_PER_SECOND, 3)
            return Usage(audio_seconds=spoken.duration_seconds if spoken else aloud)
        case CostUnit.CHARACTER:
            return Usage(characters=len(spoken.text if spoken else given))
        case CostUnit.FREE:
            usual = CostUnit.MINUTE if spoken else CostUnit.CHARACTER
            return measure(usual, request, response)


def part_of(usage: Usage, done: int, chunks: int) -> Usage:
    """Return what is sold of an answer when so many of its chunks have come.

    The input has been read by then; what is counted by output is sold as far as that goes.
    """
    if done >= chunks:
        return usage
    whole, seconds = ("output_tokens", "characters"), ("audio_seconds", "diarized_seconds")
    part = {name: n * done // chunks for name in whole if (n := getattr(usage, name)) is not None}
    heard = {name: s * done / chunks for name in seconds if (s := getattr(usage, name)) is not None}
    return usage.model_copy(update={**part, **{k: round(s, 3) for k, s in heard.items()}})


def _texts(request: Value) -> Iterator[str]:
    match request:
        case TranscriptionRequest():
            yield request.audio_url
        case GenerationRequest():
            yield from filter(None, (request.system, request.prompt))
            yield from (message.content for message in request.messages or ())
        case RedactionRequest() | SentimentRequest():
            yield from _parts(request)
        case SummarizationRequest():
            yield request.text


def _parts(request: RedactionRequest | SentimentRequest) -> Sequence[str]:
    if request.segments is None:
        return [request.text or ""]
    return [segment.text for segment in request.segments]


def _written(response: Value) -> str:
    """Return what a model would have written."""
    match response:
        case SentimentResponse():
            return "neutral" * (1 + len(response.segments or ()))
        case (
            TranscriptionResponse()
            | GenerationResponse()
            | RedactionResponse()
            | SummarizationResponse()
        ):
            return response.text
        case _:
            return ""


def _tokens(characters: int) -> int:
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)


def _transcript(
    request: TranscriptionRequest, seconds: float, *, by_speaker: bool
) -> TranscriptionResponse:
    segments = tuple(
        Segment(
            start=number * _SECONDS_PER_LINE,
            end=min((number + 1) * _SECONDS_PER_LINE, seconds),
            text=_LINES[number % len(_LINES)],
            speaker=_SPEAKERS[number % len(_SPEAKERS)] if by_speaker else None,
            confidence=_CONFIDENCE,
        )
        for number in range(math.ceil(seconds / _SECONDS_PER_LINE))
    )
    return TranscriptionResponse(
        text=" ".join(segment.text for segment in segments),
        language=request.language or "en",
        duration_seconds=seconds,
        segments=segments,
    )


def _length(audio: AudioFile) -> float:
    """Return a recording's length in seconds: as its header has it, else by its size."""
    try:
        with _Bounded(audio.path) as file:
            found = TinyTag.get(file_obj=cast("BinaryIO", file), tags=False)
    except (TinyTagException, OSError):
        return audio.size / _BYTES_PER_SECOND
    seconds = found.duration or 0
    # A header that a pipe wrote claims the most that fits.
    if found.is_lossless and found.bitrate:
        seconds = min(seconds, audio.size * 8 / 1000 / found.bitrate)
    return seconds if 0 < seconds < math.inf else audio.size / _BYTES_PER_SECOND


class _Bounded(FileIO):
    """A file that gives up when too much of it is asked for: it may come from anybody."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._left = _MOST_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0 or size > self._left:
            raise OSError("The header has no end.")
        self._left -= size
        return super().read(size) or b""


def _generated(request: GenerationRequest) -> GenerationResponse:
    schema = request.response_schema
    if schema is None:
        asked = text_of(request)
        quoted = " ".join(asked.split())[:_QUOTED_CHARACTERS]
        text, data = f"A simulated answer to {len(asked)} characters: {quoted}", None
    else:
        check_schema(schema)
        try:
            data = example_of(schema)
        except NoExample as error:
            raise UnsupportedInput(f"Nothing can be made up for response_schema: {error}") from None
        text = json.dumps(data)
    most = request.max_output_tokens * _CHARACTERS_PER_TOKEN
    if len(text) > most:
        return GenerationResponse(text=text[:most], finish_reason="length")
    return GenerationResponse(text=text, data=data, finish_reason="stop")


def _redacted(request: RedactionRequest, call_id: str) -> RedactionResponse:
    """Hide numbers, unless only other types are asked for."""
    is_wanted = request.entities is None or DIGITS in request.entities
    texts, entities = [], []
    for number, text in enumerate(_parts(request)):
        found = list(_NUMBER.finditer(text)) if is_wanted else []
        segment = None if request.segments is None else number
        entities += [
            Entity(type=DIGITS, start=one.start(), end=one.end(), score=_SCORE, segment=segment)
            for one in found
        ]
        texts.append(_hide(text, found, request.mode, call_id))
    segments = request.segments and tuple(
        segment.model_copy(update={"text": text})
        for segment, text in zip(request.segments, texts, strict=True)
    )
    return RedactionResponse(text="\n".join(texts), segments=segments, entities=tuple(entities))


def _hide(text: str, found: Sequence[re.Match[str]], mode: str, call_id: str) -> str:
    """Write something else in the place of each number; the digests' key is the call's id."""
    parts, position = [], 0
    for one in found:
        digest = hmac.new(call_id.encode(), one[0].encode(), hashlib.sha256).hexdigest()
        written = {
            "mask": f"[{DIGITS}]",
            "remove": "",
            "hash": f"[{DIGITS}:{digest[:_DIGEST_CHARACTERS]}]",
        }
        parts += [text[position : one.start()], written[mode]]
        position = one.end()
    return "".join([*parts, text[position:]])


def _judged(request: SentimentRequest) -> SentimentResponse:
    whole = SentimentResponse(**_mood(text_of(request)))
    if request.segments is None:
        return whole
    moods = tuple(
        SegmentSentiment(**_mood(segment.text), speaker=segment.speaker)
        for segment in request.segments
    )
    return whole.model_copy(update={"segments": moods})


def _mood(text: str) -> dict[str, object]:
    words = _WORD.findall(text.lower())
    good, bad = (sum(word in kind for word in words) for kind in (_GOOD, _BAD))
    if not good and not bad:
        return {"label": "neutral", "score": 0}
    if good == bad:
        return {"label": "mixed", "score": 0}
    score = round((good - bad) / (good + bad), 3)
    return {"label": "positive" if score > 0 else "negative", "score": score}


def _summarized(request: SummarizationRequest) -> SummarizationResponse:
    sentences = _SENTENCE_END.split(request.text.strip())
    return SummarizationResponse(text=" ".join(sentences[: request.max_sentences or 1]))
