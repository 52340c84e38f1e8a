"""Bounds of the embedded provider; both sides of the process boundary read them."""

MAX_SECONDS = 4 * 3600.0
"""Decoded audio. At a real-time factor of 0.2 this is most of an hour of work."""

MAX_FILE_BYTES = 1024**3

MAX_TEXT_CHARACTERS = 5_000_000
"""About a minute and a half of work for the slowest of the text capabilities."""

LANGUAGE = "en"
