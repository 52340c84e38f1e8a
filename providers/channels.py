"""How many channels a recording has, by its header."""

from io import FileIO
from pathlib import Path
from typing import BinaryIO, cast

from tinytag import TinyTag, TinyTagException

_MOST_BYTES = 1 << 20


def count_channels(path: Path) -> int | None:
    """Read the header; None where it tells nothing."""
    try:
        with _Bounded(path) as file:
            return TinyTag.get(file_obj=cast("BinaryIO", file), tags=False).channels
    except (TinyTagException, OSError):
        return None


class _Bounded(FileIO):
    """A file that seems to end when enough of it was read, wherever that was.

    It may come from anybody; and of an Ogg file, whose header is short, all would be read to find
    its length.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._left = _MOST_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read what was asked for, as long as there is something left."""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        self._left -= wanted
        return super().read(wanted) or b""
