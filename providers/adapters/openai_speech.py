"""Speech at OpenAI: what is offered, and the transcript of one recording.

What is sent is prepared in `openai_audio`, sent in `openai_exchange`, read in `openai_transcript`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress
from providers.adapters.openai_audio import MAX_FILE_BYTES, prepare
from providers.adapters.openai_exchange import Exchange, Heard, Sending
from providers.adapters.openai_transcript import label_speakers
from providers.errors import InvalidRequest, ProviderError
from providers.recordings import Recordings, survey_within
from providers.token_prices import find_list_price, find_minute_price
from providers.types import (
    Capability,
    CostUnit,
    Limits,
    Offer,
    QualityTier,
    Segment,
    TranscriptionRequest,
    TranscriptionResponse,
    Usage,
)

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# https://developers.openai.com/api/docs/models/gpt-transcribe, read 2026-11.
TRANSCRIPTION_MODEL = "gpt-transcribe"
# The only one that tells speakers apart; shut down as of
# https://developers.openai.com/api/docs/deprecations, read 2026-11.
DIARIZATION_MODEL = "gpt-4o-transcribe-diarize"
_DIARIZATION_RETIRES = date(2027, 2, 26)
# No page has it; OpenAI's answer 400 to a longer recording does: "longer than 1400 seconds which is
# the maximum for this model" (https://github.com/murtaza-nasir/speakr/issues/168).
_DIARIZATION_MAX_SECONDS = 1400.0


class OpenAISpeech:
    """Transcription, with and without speakers."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._recordings = Recordings.where_installed()

    def offers(self, reason: str | None) -> Sequence[Offer]:
        """List both capabilities; `reason` says why OpenAI can't be called."""
        return [_transcription(reason), _diarization(reason)]

    async def close(self) -> None:
        """End what decodes recordings."""
        if self._recordings is not None:
            await self._recordings.close()

    async def transcribe(
        self,
        connect: Callable[[], Awaitable["AsyncOpenAI"]],
        call: ProviderCall,
        request: TranscriptionRequest,
        report_progress: ReportProgress,
        sending: Sending,
    ) -> ProviderAnswer:
        """Make one attempt; see `ProviderAdapter.call`."""
        if call.audio is None:
            raise InvalidRequest("Speech recognition needs a recording.")
        diarizes = call.capability is Capability.TRANSCRIPTION_DIARIZATION
        longest = _DIARIZATION_MAX_SECONDS if diarizes else None
        exchanges: list[Exchange] = []
        try:
            async with prepare(
                self._recordings, call.audio, by_side=diarizes, max_seconds=longest
            ) as parts:
                client, progress = await connect(), _Progress(len(parts), report_progress)
                exchanges += [
                    Exchange(client, call, part, sending, progress.of_part(number))
                    for number, part in enumerate(parts)
                ]
                heard = await _together([exchange.ask(request) for exchange in exchanges])
        except ProviderError as error:
            error.usage = _add_up(exchanges)
            raise
        except asyncio.CancelledError:
            call.report_usage(_add_up(exchanges))
            raise
        respond = _tell_speakers if diarizes else _tell_text
        return ProviderAnswer(respond(heard, request), _add_up(exchanges) or Usage())

    async def upper_bounds(self, call: ProviderCall) -> Sequence[Usage]:
        """Bound what an attempt can use; see `ProviderAdapter.upper_bounds`.

        The model that tells speakers apart is sold by the token, and cuts a recording into pieces
        that may have 2,000 each (https://developers.openai.com/api/docs/models/gpt-4o-transcribe,
        read 2026-11): as many as it likes.
        """
        if call.audio is None:
            return (Usage(audio_seconds=0),)  # `transcribe` refuses it before anything is sent
        if call.capability is Capability.TRANSCRIPTION_DIARIZATION:
            return ()
        sound = await survey_within(self._recordings, call.audio.path, call.timeout)
        seconds = None if sound is None else sound.most_seconds
        return () if seconds is None else (Usage(audio_seconds=seconds),)


def _transcription(reason: str | None) -> Offer:
    list_price = find_minute_price("openai", TRANSCRIPTION_MODEL)
    return Offer(
        provider="openai",
        capability=Capability.TRANSCRIPTION,
        model=TRANSCRIPTION_MODEL,
        quality_tier=QualityTier.PREMIUM,
        cost_unit=CostUnit.MINUTE,
        price=list_price.price,
        price_source=list_price.price_source,
        limits=Limits(max_file_bytes=MAX_FILE_BYTES),
        available=reason is None,
        reason=reason,
        caveat="Tells no times: `segments` is null.",
    )


def _diarization(reason: str | None) -> Offer:
    list_price = find_list_price("openai", DIARIZATION_MODEL)
    return Offer(
        provider="openai",
        capability=Capability.TRANSCRIPTION_DIARIZATION,
        model=DIARIZATION_MODEL,
        quality_tier=QualityTier.STANDARD,
        cost_unit=CostUnit.TOKEN,
        price=list_price.audio_price,
        token_prices=list_price.token_prices,
        price_source=list_price.price_source,
        limits=Limits(max_file_bytes=MAX_FILE_BYTES, max_duration_seconds=_DIARIZATION_MAX_SECONDS),
        available=reason is None,
        reason=reason,
        caveat=f"OpenAI may retire this model from {_DIARIZATION_RETIRES} on.",
        retires=_DIARIZATION_RETIRES,
    )


class _Progress:
    """The mean of what has been done of several parts."""

    def __init__(self, parts: int, report_progress: ReportProgress) -> None:
        self._done = [0.0] * parts
        self._report = report_progress

    def of_part(self, number: int) -> ReportProgress:
        def report(fraction: float) -> None:
            self._done[number] = fraction
            self._report(sum(self._done) / len(self._done))

        return report


async def _together(asking: Sequence[Coroutine[Any, Any, Heard]]) -> list[Heard]:
    """Wait for all; when one fails, the others end."""
    tasks = [asyncio.create_task(one) for one in asking]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell_text(heard: Sequence[Heard], request: TranscriptionRequest) -> TranscriptionResponse:
    (one,) = heard
    return TranscriptionResponse(
        text=one.transcript.text,
        language=one.transcript.language or request.language,
        duration_seconds=one.seconds,
        segments=None,
    )


def _tell_speakers(heard: Sequence[Heard], request: TranscriptionRequest) -> TranscriptionResponse:
    """Put the sides of a call, or the only part, in the order in which people spoke."""
    segments: list[Segment] = []
    for one in heard:
        segments += label_speakers(one.segments, one.channel)
    segments.sort(key=lambda segment: (segment.start, segment.end))
    return TranscriptionResponse(
        text="\n".join(segment.text for segment in segments),
        language=request.language,
        duration_seconds=max(one.seconds for one in heard),
        segments=tuple(segments),
    )


def _add_up(exchanges: Iterable[Exchange]) -> Usage | None:
    """Add up what the requests used, in the words of `ProviderError.usage`."""
    billed = [exchange.answer.usage for exchange in exchanges if exchange.answer.usage is not None]
    if not billed:
        return None
    amounts = {name: [getattr(usage, name) for usage in billed] for name in Usage.model_fields}
    return Usage(**{name: None if None in known else sum(known) for name, known in amounts.items()})
