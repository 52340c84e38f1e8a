"""A recording's way through the speech children, as the parent process sees it."""

import asyncio
from collections.abc import Callable
from typing import Any

from providers.adapters.base import ProviderAnswer, ReportProgress
from providers.adapters.local.children import ChildPool
from providers.adapters.local.limits import LANGUAGE
from providers.errors import UnsupportedInput
from providers.types import AudioFile, Segment, TranscriptionRequest, TranscriptionResponse, Usage

SPEAKERS = 2
"""Channels of a recording whose speakers can be told apart."""


async def transcribe(
    pool: ChildPool,
    request: TranscriptionRequest,
    recording: AudioFile,
    *,
    by_speaker: bool,
    report_progress: ReportProgress,
    processor_free: Callable[[], None],
) -> ProviderAnswer:
    """Recognise a recording; `by_speaker` takes each of two channels for one speaker.

    Without `by_speaker`, channels that hold different signals are still recognised one by one,
    which keeps what people say at the same time; channels that hold much the same are mixed.
    `processor_free` is called when fewer children are at work than there are processors.
    """
    _check_language(request.language)
    path = str(recording.path)
    found = await pool.call("survey", {"path": path}, lambda _: None)
    two_signals = found["channels"] == SPEAKERS and not found["same_signal"]
    if by_speaker and not two_signals:
        raise UnsupportedInput(_one_channel(found["channels"]))
    separate = by_speaker or (two_signals and not found["same_room"])
    channels: list[int | None] = [*range(SPEAKERS)] if separate else [None]
    seconds = found["seconds"]
    heard = await _recognise(pool, path, channels, seconds, report_progress, processor_free)
    segments = sorted(
        (
            Segment(**utterance, speaker=f"speaker_{channel}" if by_speaker else None)
            for channel, utterances in zip(channels, heard, strict=True)
            for utterance in utterances
        ),
        key=lambda segment: (segment.start, segment.end),
    )
    response = TranscriptionResponse(
        text="\n".join(segment.text for segment in segments),
        language=LANGUAGE,
        duration_seconds=seconds,
        segments=tuple(segments),
    )
    return ProviderAnswer(response=response, usage=Usage(audio_seconds=seconds))


async def _recognise(
    pool: ChildPool,
    path: str,
    channels: list[int | None],
    seconds: float,
    report_progress: ReportProgress,
    processor_free: Callable[[], None],
) -> list[list[dict[str, Any]]]:
    """Recognise channels side by side; when one fails, the others end."""
    done = [0.0] * len(channels)

    async def one(index: int) -> list[dict[str, Any]]:
        def report(fraction: float) -> None:
            done[index] = fraction
            report_progress(sum(done) / len(done))

        params = {"path": path, "channel": channels[index], "seconds": seconds}
        answer = await pool.call("transcribe", params, report)
        report(1.0)
        processor_free()
        utterances: list[dict[str, Any]] = answer["utterances"]
        return utterances

    tasks = [asyncio.create_task(one(index)) for index in range(len(channels))]
    if len(tasks) < pool.size:
        processor_free()
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _check_language(language: str | None) -> None:
    if language is not None and language.lower().replace("_", "-").split("-")[0] != LANGUAGE:
        raise UnsupportedInput(f"The embedded provider understands English only, not {language!r}.")


def _one_channel(channels: int) -> str:
    has = {1: "one channel", SPEAKERS: "the same signal on both channels"}
    return (
        f"This recording has {has.get(channels, f'{channels} channels')}; the embedded provider"
        " separates speakers only in two-channel recordings (one speaker on each channel)."
        " Use such a recording, or enable a provider that separates speakers."
    )
