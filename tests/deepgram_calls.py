"""Asks Deepgram's adapter as the worker does."""

import asyncio
import wave
from array import array
from contextlib import suppress
from pathlib import Path

from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress, ReportUsage
from providers.adapters.deepgram import (
    MODEL,
    DeepgramAdapter,
)
from providers.types import (
    AudioFile,
    Capability,
    TranscriptionRequest,
)

KEY = "0123456789abcdef0123456789abcdef01234567"


def recording(path: Path, *, channels: int, same: bool = False) -> Path:
    """Write a second of hum, another one on each channel unless they are to be the same."""
    periods = [20] * channels if same else [20 + 7 * number for number in range(channels)]
    waves = ((moment % period - period // 2) * 99 for moment in range(8000) for period in periods)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, 8000, 0, "NONE", ""))
        file.writeframes(array("h", waves).tobytes())
    return path


def call_for(
    path: Path,
    capability: Capability = Capability.TRANSCRIPTION,
    report_usage: ReportUsage = lambda _: None,
    *,
    language: str | None = None,
    timeout: float = 20,
) -> ProviderCall:
    audio = AudioFile(path=path, media_type="audio/wav", size=path.stat().st_size)
    return ProviderCall(
        call_id="call-1",
        capability=capability,
        model=MODEL,
        request=TranscriptionRequest(audio_url="artifact://1", language=language),
        audio=audio,
        timeout=timeout,
        report_usage=report_usage,
    )


async def transcribe(
    adapter: DeepgramAdapter,
    path: Path,
    capability: Capability = Capability.TRANSCRIPTION,
    *,
    report: ReportProgress = lambda _: None,
    language: str | None = None,
) -> ProviderAnswer:
    return await adapter.call(call_for(path, capability, language=language), report)


async def hang_up(writer: asyncio.StreamWriter, ended: asyncio.Event) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    ended.set()
