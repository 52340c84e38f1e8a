"""What a recording's header tells, whoever wrote it."""

import struct
from pathlib import Path

import pytest

from artifacts.recordings import Header, read_header

RATE, SECONDS = 8000, 3
SOUND = b"\0\0" * RATE * SECONDS


def wav(sound: bytes = SOUND, *, claims: int | None = None) -> bytes:
    """Write a WAV of one channel, 16 bits; `claims` is the length that its header tells."""
    size = len(sound) if claims is None else claims
    form = struct.pack("<IHHIIHH", 16, 1, 1, RATE, RATE * 2, 2, 16)
    return b"RIFF\xff\xff\xff\xffWAVEfmt " + form + b"data" + struct.pack("<I", size) + sound


def test_a_header_tells_length_and_channels() -> None:
    assert read_header(Path("examples/support_call.flac")) == Header(57.235, 2)


def test_the_name_of_the_file_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "6f1ed002ab5595859014ebf0951522d9"
    file.write_bytes(wav())
    assert read_header(file) == Header(SECONDS, 1)


def test_a_header_that_a_pipe_wrote_is_bounded_by_the_file(tmp_path: Path) -> None:
    file = tmp_path / "piped"
    file.write_bytes(wav(claims=0xFFFFFFFF))
    found = read_header(file)
    assert found is not None
    assert SECONDS <= found.seconds < SECONDS + 0.01


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Jane called",
        wav()[:20],
        wav(b""),
        b"\x1a\x45\xdf\xa3 no WebM is read",
        b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\x7f" + SOUND,
    ],
    ids=["empty", "text", "cut", "silent", "webm", "too much"],
)
def test_what_does_not_tell_its_length_is_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    assert read_header(file) is None


def test_a_header_without_an_end_is_given_up(tmp_path: Path) -> None:
    file = tmp_path / "endless"
    file.write_bytes(b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 300_000 + wav()[12:])
    assert read_header(file) is None
