"""What a recording holds, and its sound in a form that a provider takes.

Decoding happens in child processes: a hostile file can crash a decoder, and only a process can be
stopped at once.
"""

import asyncio
import os
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Self

from providers.adapters.local.children import ChildPool
from providers.errors import ProviderError

_PACKAGES = ("numpy", "soundfile")

# Tags behind the sound have less, unless they hold pictures.
_MOST_UNREAD = 1 << 16
# 8 kbit/s: ISO/IEC 13818-3, layer III.
_LEAST_BYTES_PER_SECOND = 1_000


@dataclass(frozen=True, slots=True)
class Sound:
    """What decoding the whole of a recording told.

    Attributes:
        seconds: Length of what could be decoded.
        two_sides: Whether it has two channels that hold different sounds: a call's two sides.
        unread: Bytes behind the place where the decoder stopped; None where another recording
            begins there.
    """

    seconds: float
    channels: int
    two_sides: bool
    unread: int | None

    @property
    def most_seconds(self) -> int | None:
        """Bound the length that others find, in whole seconds; None where nothing is sure.

        Decoders differ in what they make of the ends of a stream, and vendors round to seconds.
        What ours left unread may be more sound to others: at worst, at the lowest rate that MP3
        has. A second recording, or a good part of the file, may be of any length.
        """
        if self.unread is None or self.unread > _MOST_UNREAD:
            return None
        return ceil(self.seconds + self.unread / _LEAST_BYTES_PER_SECOND) + 1


@dataclass(frozen=True, slots=True)
class Flac:
    """A conversion.

    Attributes:
        size: Bytes.
        peak: The loudest sample, 0 to 1.
    """

    size: int
    peak: float


class Recordings:
    """Decodes and converts, in children that start with the first call and stay until `close`."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._pool = ChildPool("providers.recordings_child", size=os.cpu_count() or 1)

    @classmethod
    def where_installed(cls) -> Self | None:
        """Return one where the packages are that decode; the extra `local` installs them."""
        return cls() if all(find_spec(package) for package in _PACKAGES) else None

    async def survey(self, path: Path) -> Sound:
        """Decode the file and measure it.

        Raises:
            InvalidMedia: It is no audio, or has none in it.
            UnsupportedInput: It is audio of a kind that is not read here.
            InputTooLarge: It is longer than four hours.
            ProviderFault: The decoder crashed.
        """
        return Sound(**await self._pool.call("survey", {"path": str(path)}, _no_progress))

    async def convert(
        self, path: Path, seconds: float, channel: int | None, target: Path, max_bytes: int
    ) -> Flac:
        """Write one channel, or the mean of all, to `target`: FLAC, 16 kHz, 16 bits.

        Args:
            path: A recording that could be decoded.
            seconds: Its length.
            channel: From 0; None for the mean of all.
            target: Where to write.
            max_bytes: The most that the conversion may have.

        Raises:
            InputTooLarge: That has more than `max_bytes`.
            ProviderFault: The decoder crashed.
        """
        params = {
            "path": str(path),
            "seconds": seconds,
            "channel": channel,
            "target": str(target),
            "max_bytes": max_bytes,
        }
        return Flac(**await self._pool.call("convert", params, _no_progress))

    async def close(self) -> None:
        """End the children."""
        await self._pool.close()


async def survey_within(recordings: Recordings | None, path: Path, seconds: float) -> Sound | None:
    """Survey a recording; None where that can't be done, or takes longer.

    Args:
        recordings: None where nothing can be decoded.
        path: The recording.
        seconds: How long it may take.
    """
    if recordings is None:
        return None
    try:
        async with asyncio.timeout(seconds):
            return await recordings.survey(path)
    except (ProviderError, TimeoutError):
        return None


def _no_progress(_fraction: float) -> None:
    """Do nothing: this is seconds of work before minutes of the provider's."""
