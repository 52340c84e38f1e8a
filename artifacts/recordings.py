"""What a recording says of itself, without decoding it.

A header is somebody's word: it may be wrong, and is good for an estimate only. The file may come
from anybody, so what is read of it is bounded.
"""

import math
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO, cast

from tinytag import TinyTag, TinyTagException

# A call of four hours in Ogg takes about 45,000 reads and is read as a whole, 60 MB.
_MOST_READS = 200_000
_MOST_BYTES = 1 << 26

# Their headers are written before the sound; one that a pipe wrote claims the most that fits.
_PLAIN = ("audio/wav", "audio/aiff")


@dataclass(frozen=True, slots=True)
class Header:
    """What the header tells.

    Attributes:
        seconds: The recording's length.
        channels: Null where it does not tell.
    """

    seconds: float
    channels: int | None


def read_header(path: Path) -> Header | None:
    """Read a recording's header; None where it does not tell the length."""
    try:
        with _Bounded(path) as file:
            found = TinyTag.get(file_obj=cast("BinaryIO", file), tags=False)
    except (TinyTagException, OSError):
        return None
    seconds = found.duration or 0
    if (found.mime_type or "").startswith(_PLAIN) and found.is_lossless and found.bitrate:
        seconds = min(seconds, found.filesize * 8 / 1000 / found.bitrate)
    if not 0 < seconds < math.inf:
        return None
    return Header(seconds, found.channels)


class _Bounded(FileIO):
    """A file that gives up when too much of it is asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._reads_left, self._bytes_left = _MOST_READS, _MOST_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read all that was asked for, up to the file's end."""
        self._reads_left -= 1
        if size is None or size < 0 or size > self._bytes_left or self._reads_left < 0:
            raise OSError("The header has no end.")
        self._bytes_left -= size
        return super().read(size) or b""
