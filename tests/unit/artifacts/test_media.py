import pytest

from artifacts.media import AUDIO_TYPES, detect_media_type, media_type_of

HEADS = [
    (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
    (b"RF64\xff\xff\xff\xffWAVEds64", "audio/wav"),
    (b"fLaC\x00\x00\x00\x22", "audio/flac"),
    (b"OggS\x00\x02", "audio/ogg"),
    (b"ID3\x04\x00", "audio/mpeg"),
    (b"\xff\xfb\x90\x64", "audio/mpeg"),
    (b"\xff\xf3\x84\xc4", "audio/mpeg"),
    (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
    (b"\x1a\x45\xdf\xa3\x01", "audio/webm"),
    (b"FORM\x00\x00\x10\x00AIFFCOMM", "audio/aiff"),
    (b"FORM\x00\x00\x10\x00AIFCFVER", "audio/aiff"),
]
OTHERS = [
    b"",
    b"R",
    b"RIFF",
    b"RIFF\x24\x00\x00\x00AVI LIST",
    b"FORM\x00\x00\x10\x00ILBM",
    b"Jane called about her bill",
    b"\xff\xfe\x4a\x00\x61\x00",  # UTF-16 text with a byte-order mark
    b"\xff\xd8\xff\xe0",  # JPEG
    b"\xff\xff\xff\xff",
    b"\xff\xfb",
    b"%PDF-1.7",
    b"PK\x03\x04",
    b"<html>",
]


@pytest.mark.parametrize(("head", "media_type"), HEADS)
def test_a_recording_is_told_by_its_first_bytes(head: bytes, media_type: str) -> None:
    assert detect_media_type(head) == media_type
    assert media_type in AUDIO_TYPES


@pytest.mark.parametrize("head", OTHERS)
def test_anything_else_is_no_recording(head: bytes) -> None:
    assert detect_media_type(head) is None


def test_every_audio_type_can_be_detected() -> None:
    assert {media_type for _, media_type in HEADS} == set(AUDIO_TYPES)


@pytest.mark.parametrize("claim", AUDIO_TYPES)
def test_a_claim_makes_no_recording(claim: str) -> None:
    assert media_type_of(b"Jane called", claim) == "application/octet-stream"
