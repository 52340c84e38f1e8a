"""Reading recordings: what a file really holds, and its samples as the recogniser wants them.

Headers are not believed: a truncated MP3 claims its full length. What counts is what decodes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from mmap import ACCESS_READ, mmap
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from providers.adapters.local.limits import MAX_SECONDS
from providers.adapters.local.resample import Resampler, Samples
from providers.errors import InputTooLarge, InvalidMedia, UnsupportedInput

SAMPLE_RATE = 16_000
"""What the acoustic model was trained with, Hz."""

MAX_CHANNELS = 16
MIN_RATE, MAX_RATE = 4_000, 384_000
SAME_SIGNAL = 0.98
"""Correlation from which two channels count as one signal, louder on one side or not."""
SAME_ROOM = 0.5
"""Correlation from which two channels are two microphones before the same people."""

_FOREIGN = {b"ftyp": 4, b"\x1aE\xdf\xa3": 0, b"#!AMR": 0, b"0&\xb2u\x8ef\xcf\x11": 0}
"""First bytes (and where) of containers that others can read: MP4, WebM, AMR, ASF."""

_STARTS = {
    "FLAC": (b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22"),
    "OGG": (b"OggS\0\x02", b"OggS\0\x06"),
}
"""How a stream begins in containers whose decoders end with the first one."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What decoding the whole of a file once told.

    Attributes:
        frames: Decoded samples of each channel.
        correlation: Of the first two channels, 0 to 1; 1 where there is one.
        unread: Bytes of the file behind the place where the decoder stopped: tags, as a rule, but
            others may find more to decode there, such as a second recording behind the first. None
            where such a one was seen.
    """

    frames: int
    rate: int
    channels: int
    correlation: float
    unread: int | None

    @property
    def seconds(self) -> float:
        """Length of what could be decoded."""
        return self.frames / self.rate


def survey(path: Path) -> Survey:
    """Decode the file and measure it.

    Raises:
        InvalidMedia: It is no audio, or has none in it.
        UnsupportedInput: It is audio of a kind that is not read here.
        InputTooLarge: It is longer than `MAX_SECONDS`.
    """
    frames, products = 0, np.zeros(3)
    with FileIO(path) as source, _opened(path, source) as file:
        rate, channels = file.samplerate, file.channels
        for block in _blocks(file):
            frames += len(block)
            if frames > MAX_SECONDS * rate:
                raise InputTooLarge(f"The recording is longer than {MAX_SECONDS / 3600:.0f} hours.")
            if channels > 1:
                left, right = block[:, 0].astype(np.float64), block[:, 1].astype(np.float64)
                products += left @ left, right @ right, left @ right
        unread = _unread(path, file.format, source.tell())
    if frames == 0:
        raise InvalidMedia("The recording holds no audio.")
    correlation = 1.0 if channels == 1 else _correlation(products)
    return Survey(frames, rate, channels, correlation, unread)


def pcm_blocks(path: Path, channel: int | None) -> Iterator[bytes]:
    """Yield one channel, or the mean of all, as 16-bit samples at `SAMPLE_RATE`."""
    with _opened(path) as file:
        resampler = Resampler(file.samplerate, SAMPLE_RATE)
        for block in _blocks(file):
            samples = block.mean(axis=1) if channel is None else block[:, channel]
            yield _pcm(resampler.process(samples))
        yield _pcm(resampler.flush())


def _blocks(file: soundfile.SoundFile) -> Iterator[Samples]:
    """Yield seconds until nothing more decodes; soundfile's own `blocks` trusts the header."""
    while len(block := file.read(file.samplerate, dtype="float32", always_2d=True)):
        yield block


def _pcm(samples: Samples) -> bytes:
    scaled = np.clip(np.nan_to_num(samples) * 32768, -32768, 32767)
    return scaled.astype("<i2").tobytes()


def _correlation(products: npt.NDArray[np.float64]) -> float:
    left, right, cross = products
    if not left and not right:
        return 1.0
    return float(abs(cross) / max(np.sqrt(left * right), 1e-12)) if left and right else 0.0


def _unread(path: Path, kind: str, reached: int) -> int | None:
    """Count the bytes that were not decoded; None where another stream begins in the file.

    Where streams have been joined can't be told by the place: decoders read ahead.
    """
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        starts = 0
        for mark in _STARTS.get(kind, ()):
            first = content.find(mark)
            starts += (first >= 0) + (first >= 0 and content.find(mark, first + 1) >= 0)
        return None if starts > 1 else max(len(content) - reached, 0)


@contextmanager
def _opened(path: Path, source: FileIO | None = None) -> Iterator[soundfile.SoundFile]:
    """Open a recording, to be read from `source` where that is given."""
    try:
        with soundfile.SoundFile(source or path) as file:
            if file.channels > MAX_CHANNELS or not MIN_RATE <= file.samplerate <= MAX_RATE:
                raise UnsupportedInput(
                    f"The embedded provider reads up to {MAX_CHANNELS} channels"
                    f" at {MIN_RATE} to {MAX_RATE} Hz."
                )
            yield file
    except soundfile.LibsndfileError as error:
        if _is_foreign(path):
            raise UnsupportedInput(
                "The embedded provider reads WAV, FLAC, MP3, Ogg, Opus and AIFF files only."
            ) from error
        raise InvalidMedia(
            "The recording can't be read as audio: it is no audio file, or it is damaged."
        ) from error


def _is_foreign(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(16)
    return any(head[at : at + len(mark)] == mark for mark, at in _FOREIGN.items())
