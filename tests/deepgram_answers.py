"""Answers as Deepgram's `/v1/listen` gives them."""

from collections.abc import Sequence
from typing import Any

DURATION = 57.235
Said = tuple[float, float, int, str]
"""Start and end in seconds, channel or voice, words."""


def one_channel(
    *said: Said, voices: bool = False, duration: float = DURATION, language: str | None = None
) -> dict[str, Any]:
    """Answer about one channel; with voices, the third figure of what was said is the voice."""
    utterances = [_utterance(one, channel=0, speaker=one[2] if voices else None) for one in said]
    return _answer([_channel(said, language)], utterances, duration)


def two_channels(
    *said: Said, duration: float = DURATION, languages: tuple[str | None, str | None] = (None, None)
) -> dict[str, Any]:
    """Answer about two channels, first all of one, then all of the other, as Deepgram does."""
    sides = [[one for one in said if one[2] == number] for number in range(2)]
    channels = [_channel(side, language) for side, language in zip(sides, languages, strict=True)]
    utterances = [_utterance(one, channel=one[2], speaker=None) for side in sides for one in side]
    return _answer(channels, utterances, duration)


def _answer(
    channels: list[dict[str, Any]], utterances: list[dict[str, Any]], duration: float
) -> dict[str, Any]:
    return {
        "metadata": {
            "transaction_key": "deprecated",
            "request_id": "5c2b1d0e-7d2b-4d58-9b8e-6f1f7f0a8c11",
            "sha256": "0" * 64,
            "created": "2026-11-24T04:00:00.000Z",
            "duration": duration,
            "channels": len(channels),
            "models": ["1abfe86b-e047-4eed-858a-35e5625b41ee"],
            "model_info": {},
        },
        "results": {"channels": channels, "utterances": utterances},
    }


def _channel(said: Sequence[Said], language: str | None) -> dict[str, Any]:
    transcript = " ".join(words for *_, words in said)
    channel: dict[str, Any] = {
        "alternatives": [{"transcript": transcript, "confidence": 0.99, "words": []}]
    }
    return channel if language is None else {**channel, "detected_language": language}


def _utterance(said: Said, *, channel: int, speaker: int | None) -> dict[str, Any]:
    start, end, _, words = said
    utterance: dict[str, Any] = {
        "start": start,
        "end": end,
        "confidence": 0.98,
        "channel": channel,
        "transcript": words,
        "words": [],
        "id": "0f3f9c9e-59a1-4d0b-9f4f-1d2f5c1c3e77",
    }
    return utterance if speaker is None else {**utterance, "speaker": speaker}
