"""One request to OpenAI's `audio/transcriptions`, and its answer.

The answer is streamed wherever the recording could be decoded here. Its length, which neither a
stream's end nor its usage is sure to tell, is then known, and so is how far the answer is. Any
other recording is answered in one piece, which has the length.
"""

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from providers.adapters.base import ProviderCall, ReportProgress
from providers.adapters.openai_audio import Part
from providers.adapters.openai_transcript import (
    SpokenSegment,
    TextGrew,
    Transcript,
    WholeTranscript,
)
from providers.errors import InvalidRequest, ProviderFault, UnsupportedInput
from providers.generation import ArrivingAnswer, read_end
from providers.types import Capability, TranscriptionRequest

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# Only progress is reckoned with these: people say up to 180 words a minute, a word is a token and a
# third, and the upload is a fifth of the way.
_TOKENS_PER_SECOND = 4
_UPLOAD = 0.2

Sending = Callable[[ArrivingAnswer], AbstractAsyncContextManager[None]]
"""Wraps a request and its answer; what the SDK raises inside becomes our errors."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one request brought; `segments` is empty where none were asked for."""

    transcript: Transcript
    segments: Sequence[SpokenSegment]
    seconds: float
    channel: int | None


class Exchange:
    """One request and its answer.

    Attributes:
        answer: As it arrives, and what it used.
    """

    def __init__(
        self,
        client: "AsyncOpenAI",
        call: ProviderCall,
        part: Part,
        sending: Sending,
        report_progress: ReportProgress,
    ) -> None:
        """Take what is sent, and what must be told; send nothing yet."""
        self._endpoint = client.audio.transcriptions
        self._call = call
        self._part = part
        self._sending = sending
        self._report = report_progress
        self._diarizes = call.capability is Capability.TRANSCRIPTION_DIARIZATION
        tokens = max(1, ceil((part.seconds or 0) * _TOKENS_PER_SECOND))
        self.answer = ArrivingAnswer(
            tokens, lambda written: report_progress(_UPLOAD + (1 - _UPLOAD) * written)
        )

    async def ask(self, request: TranscriptionRequest) -> Heard:
        """Send the part and read the answer to its end."""
        with _Upload(self._part.path, lambda sent: self._report(_UPLOAD * sent)) as file:
            body = _request_body(self._call.model, request, self._part, file, self._diarizes)
            try:
                async with self._sending(self.answer):
                    whole = self._part.seconds is None
                    heard = await (self._read(body) if whole else self._follow(body))
            except InvalidRequest as error:
                # All but the recording and its language is always the same, so that the "no" is
                # about these: codes such as `unsupported_format` and `invalid_value`, the latter
                # for a damaged file too. Whether nobody can read it is not OpenAI's to say.
                raise UnsupportedInput(error.message) from None
        if self._diarizes and heard.transcript.text.strip() and not heard.segments:
            raise ProviderFault("OpenAI's answer has no segments.")
        self._report(1)
        return heard

    async def _follow(self, body: dict[str, Any]) -> Heard:
        """Ask for a stream; leaving early closes the connection, and OpenAI stops writing."""
        segments: list[SpokenSegment] = []
        stream = await self._endpoint.create(**body, stream=True, timeout=self._call.timeout)
        async with stream:
            async for event in stream:
                match getattr(event, "type", None):
                    case "transcript.text.delta" if not self._diarizes:
                        self.answer.add(TextGrew.model_validate(event, from_attributes=True).delta)
                    case "transcript.text.segment":
                        segment = SpokenSegment.model_validate(event, from_attributes=True)
                        self.answer.add(segment.text)
                        segments.append(segment)
                    case "transcript.text.done":
                        transcript = Transcript.model_validate(event, from_attributes=True)
                        heard = self._heard(transcript, segments, self._part.seconds)
                        await read_end(stream)
                        return heard
        raise ProviderFault("OpenAI's answer broke off.")

    async def _read(self, body: dict[str, Any]) -> Heard:
        """Ask for an answer in one piece."""
        response = await self._endpoint.with_raw_response.create(**body, timeout=self._call.timeout)
        whole = WholeTranscript.model_validate_json(response.content)
        seconds = whole.duration if whole.duration is not None else whole.sold_seconds
        return self._heard(whole, whole.segments or [], seconds)

    def _heard(
        self, transcript: Transcript, segments: Sequence[SpokenSegment], seconds: float | None
    ) -> Heard:
        self.answer.usage = transcript.read_usage(seconds)
        if seconds is None:
            raise ProviderFault("OpenAI did not tell how long the recording is.")
        return Heard(transcript, segments, seconds, self._part.channel)


class _Upload(io.FileIO):
    """A file that tells how much of it has been read: what is read is sent at once."""

    def __init__(self, path: Path, report: Callable[[float], None]) -> None:
        super().__init__(path)
        self._size = max(1, path.stat().st_size)
        self._told = report

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        self._told(self.tell() / self._size)
        return content


def _request_body(
    model: str, request: TranscriptionRequest, part: Part, file: io.FileIO, diarizes: bool
) -> dict[str, Any]:
    """Write the form. Chunks are required to separate speakers in more than 30 s."""
    body: dict[str, Any] = {"file": (part.file_name, file, part.media_type), "model": model}
    language = _language_code(request.language)
    if diarizes:
        body |= {"response_format": "diarized_json", "chunking_strategy": "auto"}
        return body if language is None else {**body, "language": language}
    body["response_format"] = "json"
    return body if language is None else {**body, "languages": [language]}


def _language_code(tag: str | None) -> str | None:
    """Make ISO 639-1 of BCP 47: its first part. A language without such a code is for the model."""
    code = (tag or "").replace("_", "-").partition("-")[0].lower()
    return code if len(code) == 2 else None  # noqa: PLR2004 - the form of ISO 639-1
