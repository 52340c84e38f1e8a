"""What is read of an answer of OpenAI's `audio/transcriptions`, in one piece or as it arrives.

As in `openai_answer`: these ask for what they need and ignore the rest; an answer that lacks
something is a `pydantic.ValidationError`.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

from providers.generation import WrittenText
from providers.types import Segment, Usage


class _Part(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


class _Duration(_Part):
    """Usage of a model that is sold by time."""

    type: Literal["duration"]
    seconds: NonNegativeFloat


class _TokenDetails(_Part):
    text_tokens: NonNegativeInt | None = None
    audio_tokens: NonNegativeInt | None = None


class _Tokens(_Part):
    """Usage of a model that is sold by the token."""

    type: Literal["tokens"]
    input_tokens: NonNegativeInt
    output_tokens: NonNegativeInt
    input_token_details: _TokenDetails | None = None


class _Language(_Part):
    code: str


class TextGrew(_Part):
    """`transcript.text.delta`: the next words."""

    delta: str


class SpokenSegment(_Part):
    """`transcript.text.segment`, and one of the segments of an answer in one piece.

    Attributes:
        speaker: `A`, `B` and so on, in the order in which they begin to speak.
    """

    start: NonNegativeFloat
    end: NonNegativeFloat
    text: WrittenText
    speaker: str


class Transcript(_Part):
    """`transcript.text.done`, and what it has in common with an answer in one piece."""

    text: WrittenText
    languages: list[_Language] | None = None
    usage: Annotated[_Duration | _Tokens, Field(discriminator="type")] | None = None

    @property
    def language(self) -> str | None:
        """The language that was heard, the first where there are several."""
        return self.languages[0].code if self.languages else None

    def read_usage(self, seconds: float | None) -> Usage:
        """Translate the usage; the recording's own length stands in where no other is told.

        Input tokens are only kept where it is told how many of them stand for sound: the two kinds
        have different prices.
        """
        match self.usage:
            case _Duration(seconds=sold):
                return Usage(audio_seconds=sold)
            case _Tokens(input_token_details=_TokenDetails(audio_tokens=int(sound))) as tokens:
                return Usage(
                    input_tokens=tokens.input_tokens,
                    input_audio_tokens=sound,
                    output_tokens=tokens.output_tokens,
                    audio_seconds=seconds,
                )
            case _Tokens() as tokens:
                return Usage(output_tokens=tokens.output_tokens, audio_seconds=seconds)
            case _:
                return Usage(audio_seconds=seconds)

    @property
    def sold_seconds(self) -> float | None:
        """The recording's length as OpenAI sold it."""
        return self.usage.seconds if isinstance(self.usage, _Duration) else None


class WholeTranscript(Transcript):
    """An answer in one piece."""

    duration: NonNegativeFloat | None = None
    segments: list[SpokenSegment] | None = None


def label_speakers(segments: Sequence[SpokenSegment], channel: int | None) -> list[Segment]:
    """Translate the segments that have words; whoever speaks on one side of a call is that side.

    Others get numbers in the order in which they begin to speak.
    """
    numbers: dict[str, int] = {}
    labelled = []
    for segment in segments:
        if not segment.text.strip():
            continue
        number = numbers.setdefault(segment.speaker, len(numbers)) if channel is None else channel
        labelled.append(
            Segment(
                start=segment.start,
                end=segment.end,
                text=segment.text.strip(),
                speaker=f"speaker_{number}",
            )
        )
    return labelled
