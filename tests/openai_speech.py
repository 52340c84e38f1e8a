"""Speech at OpenAI, faked: recordings, what it answers, and how forms are read."""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
from pydantic import SecretStr

from artifacts.media import HEAD_BYTES, media_type_of
from providers.adapters.base import ProviderAnswer, ProviderCall, ReportProgress, ReportUsage
from providers.adapters.openai import OpenAIAdapter
from providers.types import (
    AudioFile,
    Capability,
    Offer,
    TranscriptionRequest,
    TranscriptionResponse,
    Usage,
)
from tests.fake_vendor import Asked, FakeVendor, serve_fake_vendor

KEY = "sk-proj-0123456789abcdefghij"
RATE = 8_000
TEXT, BY_SPEAKER = Capability.TRANSCRIPTION, Capability.TRANSCRIPTION_DIARIZATION
# Begins like an MPEG-4 file, which nothing here can decode.
MP4 = b"\0\0\0\x20ftypM4A " + bytes(100)


Event = dict[str, Any]
Samples = npt.NDArray[np.float64]
Pair = tuple[OpenAIAdapter, FakeVendor]


@asynccontextmanager
async def openai_with_its_fake() -> AsyncIterator[Pair]:
    """Make an adapter and whom it asks; keep both: decoders take longer to start than to work."""
    async with serve_fake_vendor() as vendor:
        adapter = OpenAIAdapter(SecretStr(KEY), f"{vendor.url}/v1")
        yield adapter, vendor
        await adapter.close()


def tone(seconds: float, pitch: float = 440) -> Samples:
    return 0.5 * np.sin(2 * math.pi * pitch * np.arange(int(seconds * RATE)) / RATE)


def silence(seconds: float) -> Samples:
    return 0.0001 * tone(seconds)


def call_of(*channels: Samples) -> Samples:
    return np.stack(channels, axis=1)


def recording(
    path: Path, samples: Samples | bytes, *, kind: str = "WAV", rate: int = RATE
) -> AudioFile:
    if isinstance(samples, bytes):
        path.write_bytes(samples)
    else:
        soundfile.write(path, samples, rate, format=kind)
    content = path.read_bytes()
    return AudioFile(
        path=path, media_type=media_type_of(content[:HEAD_BYTES], None), size=len(content)
    )


def grew(text: str) -> Event:
    return {"type": "transcript.text.delta", "delta": text}


def spoke(speaker: str, start: float, end: float, text: str) -> Event:
    times = {"start": start, "end": end}
    identity = {"type": "transcript.text.segment", "id": f"seg_{start}"}
    return {**identity, **times, "text": text, "speaker": speaker}


def done(text: str, **more: Any) -> Event:
    return {"type": "transcript.text.done", "text": text, **more}


def tokens(**more: Any) -> Event:
    return {
        "type": "tokens",
        "input_tokens": 900,
        "output_tokens": 120,
        "total_tokens": 1020,
        **more,
    }


SOUND = tokens(input_token_details={"text_tokens": 0, "audio_tokens": 900})
USED = Usage(input_tokens=900, input_audio_tokens=900, output_tokens=120, audio_seconds=2)
TOLD = [grew("Good "), grew("morning."), done("Good morning.", languages=[{"code": "en"}])]
DIALOGUE = [
    spoke("A", 0.0, 0.8, " Good morning."),
    spoke("B", 0.9, 1.5, "Hello."),
    spoke("A", 1.6, 2.0, "How can I help?"),
    done("Good morning. Hello. How can I help?", usage=SOUND),
]
WHOLE = {
    "text": "Good morning.",
    "languages": [{"code": "en"}],
    "usage": {"type": "duration", "seconds": 90},
}
WHOLE_DIALOGUE = {
    "task": "transcribe",
    "duration": 2.0,
    "text": "Good morning. Hello. How can I help?",
    "segments": DIALOGUE[:3],
    "usage": SOUND,
}


def offer_of(adapter: OpenAIAdapter, capability: Capability) -> Offer:
    (offer,) = (offer for offer in adapter.offers() if offer.capability is capability)
    return offer


async def transcribe(
    adapter: OpenAIAdapter,
    audio: AudioFile,
    capability: Capability = TEXT,
    *,
    language: str | None = None,
    report: ReportProgress = lambda _: None,
    report_usage: ReportUsage = lambda _: None,
    seconds: float = 20,
) -> ProviderAnswer:
    request = TranscriptionRequest(audio_url="artifact://1", language=language)
    model = offer_of(adapter, capability).model
    call = ProviderCall("call-1", capability, model, request, audio, seconds, report_usage)
    return await adapter.call(call, report)


def transcript(answer: ProviderAnswer) -> TranscriptionResponse:
    assert isinstance(answer.response, TranscriptionResponse)
    return answer.response


def parts(asked: Asked) -> Iterator[tuple[Message, bytes]]:
    head = f"content-type: {asked.headers['content-type']}\r\n\r\n".encode()
    for part in message_from_bytes(head + asked.body).walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield part, content


def form(asked: Asked) -> dict[str, Any]:
    """Read a form as JSON would have it; a file is what is in it."""
    fields: dict[str, Any] = {}
    for part, content in parts(asked):
        name = str(part.get_param("name", header="content-disposition"))
        if part.get_filename():
            fields[name] = content
        elif name.endswith("[]"):
            fields.setdefault(name.removesuffix("[]"), []).append(content.decode())
        else:
            fields[name] = True if content == b"true" else content.decode()
    return fields


def file_part(asked: Asked) -> tuple[str | None, str]:
    """Read the name and the media type of the file in a form."""
    (file,) = (part for part, _ in parts(asked) if part.get_filename())
    return file.get_filename(), file.get_content_type()


def decoded(content: bytes, path: Path) -> tuple[str, int, int, float]:
    """Say what a file that was sent holds: format, rate, channels, seconds."""
    path.write_bytes(content)
    found = soundfile.info(path)
    return found.format, found.samplerate, found.channels, round(found.duration, 3)


def error_body(
    kind: str | None = None, code: str | None = None, words: str = "No.", param: str | None = None
) -> Event:
    return {"error": {"message": words, "type": kind, "param": param, "code": code}}
