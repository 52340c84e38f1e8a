"""Tells audio containers by their first bytes, never by a name or a header somebody sent."""

import re

AUDIO_TYPES = (
    "audio/wav",
    "audio/flac",
    "audio/ogg",
    "audio/mpeg",
    "audio/mp4",
    "audio/webm",
    "audio/aiff",
)

DEFAULT_MEDIA_TYPE = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")

HEAD_BYTES = 64
"""How many bytes the detection wants to see."""


def detect_media_type(head: bytes) -> str | None:
    """Return the media type of an audio container, or None for anything else."""
    form = head[8:12]
    if head[:4] in (b"RIFF", b"RF64") and form == b"WAVE":
        return "audio/wav"
    if head[:4] == b"FORM" and form in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if head[4:8] == b"ftyp":
        return "audio/mp4"
    for magic, media_type in (
        (b"fLaC", "audio/flac"),
        (b"OggS", "audio/ogg"),
        (b"ID3", "audio/mpeg"),
        (b"\x1a\x45\xdf\xa3", "audio/webm"),
    ):
        if head.startswith(magic):
            return media_type
    return "audio/mpeg" if _is_mpeg_frame(head) else None


def media_type_of(head: bytes, declared: str | None) -> str:
    """Return the detected type, else the declared one, unless that is what was not detected."""
    if detected := detect_media_type(head):
        return detected
    claimed = (declared or "").partition(";")[0].strip().lower()
    if claimed.startswith(("audio/", "video/")) or not _MEDIA_TYPE.fullmatch(claimed):
        return DEFAULT_MEDIA_TYPE
    return claimed


def _is_mpeg_frame(head: bytes) -> bool:
    """Check sync word, version, layer, bit rate and sampling rate (ISO/IEC 11172-3, 2.4.2.3)."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bit_rate, sampling_rate = head[2] >> 4, head[2] >> 2 & 3
    # Layer I is not in use; a text in UTF-16 begins like one of its frames.
    return version != 1 and layer in (1, 2) and bit_rate not in (0, 15) and sampling_rate != 3  # noqa: PLR2004
