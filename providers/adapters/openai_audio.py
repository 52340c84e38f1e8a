"""What OpenAI gets of a recording: the file as it is wherever it takes that, else FLAC.

OpenAI mixes channels down. For separated speakers a call with a side on each channel is therefore
sent as two requests, one for each side that is not silent: who is who is then certain, and what
they say at the same time is kept. It costs twice as much, since sound is what is paid for.

All of this needs to decode the recording (`providers.recordings`). Where that can't be done, OpenAI
gets the file as it is, or not at all.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from providers.errors import InputTooLarge, InvalidMedia, ProviderFault, UnsupportedInput
from providers.recordings import Recordings, Sound
from providers.types import AudioFile

# https://developers.openai.com/api/docs/guides/speech-to-text, read 2026-11.
FORMATS = {
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "audio/webm": "webm",
}
"""The media types that OpenAI takes, and the file names that it knows them by."""

MAX_FILE_BYTES = 25_000_000
"""From the same page: 25 MB."""

# -60 dB: the noise of a line on which nobody speaks.
_SILENCE = 0.001
_SIDES = 2


@dataclass(frozen=True, slots=True)
class Part:
    """What one request sends.

    Attributes:
        size: Bytes.
        seconds: Its length, where it could be decoded.
        channel: The one that it holds; None for all of them.
    """

    path: Path
    media_type: str
    size: int
    seconds: float | None
    channel: int | None = None

    @property
    def file_name(self) -> str:
        """A name that tells the format."""
        return f"recording.{FORMATS[self.media_type]}"


@asynccontextmanager
async def prepare(
    recordings: Recordings | None,
    audio: AudioFile,
    *,
    by_side: bool,
    max_seconds: float | None = None,
    max_bytes: int = MAX_FILE_BYTES,
) -> AsyncIterator[list[Part]]:
    """Yield what to send; conversions are gone when the block ends.

    Args:
        recordings: None where nothing can be decoded.
        audio: The recording.
        by_side: Whether a call's two sides go apart.
        max_seconds: The longest that the model takes.
        max_bytes: The largest file that OpenAI takes.

    Raises:
        InputTooLarge: It is larger or longer than the limits, also after conversion.
        UnsupportedInput: OpenAI does not take the format, and it can't be converted.
        InvalidMedia: OpenAI does not take it because it is no audio.
    """
    sound = await _survey(recordings, audio)
    if sound is not None and max_seconds is not None and sound.seconds > max_seconds:
        raise InputTooLarge(
            f"The recording has {sound.seconds:.0f} s; OpenAI's model takes {max_seconds:.0f} s."
        )
    with TemporaryDirectory(prefix="perdure-") as folder:
        studio = _Studio(recordings, audio, sound, max_bytes, Path(folder))
        yield (await studio.sides() if by_side else []) or [await studio.whole()]


@dataclass(frozen=True, slots=True)
class _Studio:
    """A recording, what is known of it, and where conversions go."""

    recordings: Recordings | None
    audio: AudioFile
    sound: Sound | None
    max_bytes: int
    folder: Path

    async def sides(self) -> list[Part]:
        """Return the sides of a call that are not silent; none where there are no two sides."""
        if self.recordings is None or self.sound is None or not self.sound.two_sides:
            return []
        sides = [await self._convert(channel) for channel in range(_SIDES)]
        return [part for part, peak in sides if peak > _SILENCE]

    async def whole(self) -> Part:
        """Return the recording as it is, or else converted."""
        audio, seconds = self.audio, self.sound.seconds if self.sound else None
        if audio.media_type in FORMATS and audio.size <= self.max_bytes:
            return Part(audio.path, audio.media_type, audio.size, seconds)
        part, _peak = await self._convert(None)
        return part

    async def _convert(self, channel: int | None) -> tuple[Part, float]:
        """Return one channel, or the mean of all, and how loud it is."""
        if self.recordings is None or self.sound is None:
            raise self._refusal()
        target = self.folder / f"{channel}.flac"
        flac = await self.recordings.convert(
            self.audio.path, self.sound.seconds, channel, target, self.max_bytes
        )
        return Part(target, "audio/flac", flac.size, self.sound.seconds, channel), flac.peak

    def _refusal(self) -> InputTooLarge | UnsupportedInput:
        """Say why the recording can be sent neither as it is nor converted."""
        audio = self.audio
        mend = " To convert it: pip install 'perdure[local]'." if self.recordings is None else ""
        if audio.media_type in FORMATS:
            return InputTooLarge(
                f"The recording has {audio.size:,} bytes; OpenAI takes {self.max_bytes:,}.{mend}"
            )
        takes = ", ".join(sorted(set(FORMATS.values())))
        return UnsupportedInput(f"OpenAI takes {takes}; this is {audio.media_type}.{mend}")


async def _survey(recordings: Recordings | None, audio: AudioFile) -> Sound | None:
    """Decode the recording where that works here; what OpenAI takes is OpenAI's to judge."""
    if recordings is None:
        return None
    try:
        return await recordings.survey(audio.path)
    except InvalidMedia:
        if audio.media_type not in FORMATS:
            raise
    except (UnsupportedInput, ProviderFault):
        pass
    return None
