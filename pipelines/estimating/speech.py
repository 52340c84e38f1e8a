"""How much a transcription uses, and how much is said in a recording."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.estimating.foresight import Segments
from pipelines.estimating.sizes import (
    BYTES_PER_TOKEN,
    CHARACTERS_PER_SENTENCE,
    LONGEST_NUMBER,
    Length,
    Size,
)
from pipelines.estimating.usages import Usages, Work
from providers.types import CostUnit, Usage

# 150 words a minute, which the National Center for Voice and Speech gives for English in
# conversation (read 2026-11), of five letters and a space each.
CHARACTERS_PER_SECOND = 15

# https://developers.openai.com/api/docs/guides/realtime-costs, read 2026-11: what a user says is
# a token for each 100 ms.
TOKENS_PER_SECOND = 10

_TWO = 2
_HOW_MUCH = "No upper bound: nobody knows how much is said in a recording."


@dataclass(frozen=True, slots=True)
class Recording:
    """What a recording says of itself.

    Attributes:
        seconds: Its length.
        channels: Null where it does not say.
    """

    seconds: float
    channels: int | None = None


def transcribe(
    request: Mapping[str, Any], recordings: Mapping[str, Recording | None], *, by_speaker: bool
) -> Work:
    """Measure a request; `by_speaker` where speakers are told apart."""
    found = _find(request.get("audio_url"), recordings)
    if isinstance(found, str):
        unknown = Usages.unknown(found)
        by_unit = {CostUnit.MINUTE: unknown, CostUnit.TOKEN: unknown}
        return Work(by_unit, _response(Size.unknown(found), None))
    characters = math.ceil(found.seconds * CHARACTERS_PER_SECOND)
    by_unit = {
        CostUnit.MINUTE: _by_speaker(found) if by_speaker else _minutes(found.seconds),
        CostUnit.TOKEN: _tokens(found, characters, by_speaker=by_speaker),
    }
    spoken = Size(Length.ascii(characters), None, _HOW_MUCH)
    return Work(by_unit, _response(spoken, math.ceil(characters / CHARACTERS_PER_SENTENCE)))


def _find(url: Any, recordings: Mapping[str, Recording | None]) -> Recording | str:
    """Find what is known of a recording, or why nothing is."""
    if isinstance(url, Size):
        return url.reason or "Which recording it is is known in the run only."
    if not isinstance(url, str) or url not in recordings:
        return "The recording is fetched in the run only, so its length is not known before."
    return recordings[url] or "The recording does not say how long it is."


def _minutes(seconds: float) -> Usages:
    return Usages.exact(Usage(audio_seconds=seconds))


def _by_speaker(found: Recording) -> Usages:
    """Tell speakers apart: by channel in a call's two-channel recording, by voice in any other.

    Each channel is sold as a recording of its own.
    """
    by_voice = Usage(audio_seconds=found.seconds, diarized_seconds=found.seconds)
    if found.channels not in (None, _TWO):
        return Usages.exact(by_voice)
    by_channel = Usage(audio_seconds=_TWO * found.seconds)
    expected = by_channel if found.channels == _TWO else by_voice
    either = (by_voice, by_channel)
    return Usages(cheapest=either, expected=expected, dearest=either)


def _tokens(found: Recording, characters: int, *, by_speaker: bool) -> Usages:
    def usage(sides: int, written: int) -> Usage:
        sound = sides * math.ceil(found.seconds * TOKENS_PER_SECOND)
        return Usage(input_tokens=sound, input_audio_tokens=sound, output_tokens=written)

    sides = _TWO if by_speaker and found.channels == _TWO else 1
    expected = usage(sides, math.ceil(characters / BYTES_PER_TOKEN))
    return Usages(cheapest=(usage(1, 1),), expected=expected, dearest=(), reason=_HOW_MUCH)


def _response(spoken: Size, segments: int | None) -> Mapping[str, Any]:
    return {
        "text": spoken,
        "segments": Segments(spoken, segments),
        "duration_seconds": Size.within(LONGEST_NUMBER),
    }
