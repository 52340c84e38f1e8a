"""What is read of an answer of Deepgram's `/v1/listen`.

The API's description leaves nearly every field optional. These ask for what they need and ignore
the rest; an answer that lacks something is a `pydantic.ValidationError`.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, model_validator

from providers.errors import ProviderFault, UnsupportedInput
from providers.http_vendor import AnswerPart
from providers.types import Segment, TranscriptionResponse, Usage


class Speakers(Enum):
    """How speakers are told apart."""

    UNTOLD = auto()
    BY_VOICE = auto()
    BY_CHANNEL = auto()


def billed(duration: float, channels: int, speakers: Speakers) -> Usage:
    """Tell what is billed: every channel that is recognised by itself, every voice told apart.

    https://github.com/orgs/deepgram/discussions/932, read 2026-11.
    """
    if speakers is Speakers.BY_CHANNEL:
        return Usage(audio_seconds=duration * channels)
    diarized = duration if speakers is Speakers.BY_VOICE else None
    return Usage(audio_seconds=duration, diarized_seconds=diarized)


class _Utterance(AnswerPart):
    start: NonNegativeFloat
    end: NonNegativeFloat
    confidence: NonNegativeFloat
    channel: NonNegativeInt
    transcript: str
    speaker: NonNegativeInt | None = None


class _Alternative(AnswerPart):
    transcript: str


class _Channel(AnswerPart):
    alternatives: tuple[_Alternative, ...] = Field(min_length=1)
    detected_language: str | None = None

    @property
    def transcript(self) -> str:
        return self.alternatives[0].transcript


class _Results(AnswerPart):
    """`utterances` may be absent where nothing was said."""

    channels: tuple[_Channel, ...] = Field(min_length=1)
    utterances: tuple[_Utterance, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.utterances and any(channel.transcript for channel in self.channels):
            raise ValueError("a transcript without its utterances")
        return self


class _Metadata(AnswerPart):
    """`duration` is the recording's, however many channels it has."""

    duration: NonNegativeFloat


class Answer(AnswerPart):
    """An answer to the whole of a recording."""

    metadata: _Metadata
    results: _Results

    def read_usage(self, speakers: Speakers) -> Usage:
        """Tell what is billed."""
        return billed(self.metadata.duration, len(self.results.channels), speakers)

    def read_response(self, language: str | None, speakers: Speakers) -> TranscriptionResponse:
        """Translate the answer.

        Args:
            language: What was asked for; the detected one where nothing was.
            speakers: How they were to be told apart.

        Raises:
            UnsupportedInput: The channels hold the same signal: they tell nobody apart.
            ProviderFault: The speakers are missing.
        """
        if speakers is Speakers.BY_CHANNEL and self._is_one_signal():
            raise UnsupportedInput(
                "Both channels of this recording hold the same speech, so that they don't tell the"
                " speakers apart: use a recording with one channel."
            )
        segments = tuple(
            Segment(
                start=heard.start,
                end=heard.end,
                text=heard.transcript,
                speaker=_speaker(heard, speakers),
                confidence=min(heard.confidence, 1),
            )
            for heard in self._in_order()
        )
        return TranscriptionResponse(
            text="\n".join(segment.text for segment in segments),
            language=language or self._detected_language(),
            duration_seconds=self.metadata.duration,
            segments=segments,
        )

    def _in_order(self) -> Sequence[_Utterance]:
        heard = (utterance for utterance in self.results.utterances if utterance.transcript)
        return sorted(heard, key=lambda utterance: (utterance.start, utterance.end))

    def _detected_language(self) -> str | None:
        """Find the language in which most was said; each channel has its own."""
        most = max(self.results.channels, key=lambda channel: len(channel.transcript))
        return most.detected_language

    def _is_one_signal(self) -> bool:
        heard = [
            [(one.start, one.transcript) for one in self._in_order() if one.channel == number]
            for number in range(len(self.results.channels))
        ]
        return len(heard) > 1 and heard[0] != [] and all(one == heard[0] for one in heard[1:])


def _speaker(utterance: _Utterance, speakers: Speakers) -> str | None:
    if speakers is Speakers.UNTOLD:
        return None
    number = utterance.channel if speakers is Speakers.BY_CHANNEL else utterance.speaker
    if number is None:
        raise ProviderFault("Deepgram's answer does not tell the speakers apart.")
    return f"speaker_{number}"
