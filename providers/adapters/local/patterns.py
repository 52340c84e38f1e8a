"""Written personal data, by the patterns and checksums of Presidio.

Presidio's recognisers are asked directly, without its engine: that would want a language model
for words' base forms, which patterns don't need. Only those recognisers are used whose matches
mean something in any text; among all of them, a phone number is a health number too.
"""

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from presidio_analyzer import Pattern, PatternRecognizer, RecognizerResult
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    CryptoRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    IpRecognizer,
    MacAddressRecognizer,
    PhoneRecognizer,
    UsSsnRecognizer,
)

from providers.masking import Finding

THRESHOLD = 0.4
"""Presidio's scores below are for guesses that need a context word."""

PIECE, OVERLAP = 4_000, 200
"""Characters that are searched at once, and how far a piece reaches into its neighbours."""

_URL = Pattern(
    "url",
    r"(?i)\b(?:https?://|www\.)[^\s()<>\"']+"
    r"|\b(?:[a-z0-9-]{1,63}\.){1,4}(?:com|org|net|edu|gov|io|info)\b(?:/[^\s()<>\"']*)?",
    0.5,
)


class _Recogniser(Protocol):
    """What is used of Presidio's recognisers."""

    def analyze(self, text: str, entities: list[str], /) -> list[RecognizerResult]:
        """Find the entities in a text."""


class _EmailRecognizer(EmailRecognizer):
    """Takes the shape for proof; Presidio would ask the network for the list of top domains."""

    def validate_result(self, pattern_text: str) -> None:
        del pattern_text


RECOGNISERS: dict[str, Callable[[], _Recogniser]] = {
    "CREDIT_CARD": CreditCardRecognizer,
    "CRYPTO": CryptoRecognizer,
    "EMAIL_ADDRESS": _EmailRecognizer,
    "IBAN_CODE": IbanRecognizer,
    "IP_ADDRESS": IpRecognizer,
    "MAC_ADDRESS": MacAddressRecognizer,
    "PHONE_NUMBER": lambda: PhoneRecognizer(supported_regions=("US", "GB")),
    "URL": lambda: PatternRecognizer("URL", patterns=[_URL]),
    "US_SSN": UsSsnRecognizer,
}
TYPES = tuple(RECOGNISERS)


class Patterns:
    """All recognisers, built once."""

    def __init__(self) -> None:
        """Compile the patterns."""
        self._recognisers = {kind: build() for kind, build in RECOGNISERS.items()}

    def find(self, text: str, report: Callable[[float], None]) -> Iterator[Finding]:
        """Search a text piece by piece."""
        for start, end in _pieces(text):
            first, last = max(0, start - OVERLAP), min(len(text), end + OVERLAP)
            piece = text[first:last]
            for kind, recogniser in self._recognisers.items():
                for match in recogniser.analyze(piece, [kind]):
                    if match.score >= THRESHOLD:
                        yield Finding(first + match.start, first + match.end, kind, match.score)
            report(end / len(text))


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Cut a text at white space, where there is any, into pieces of about `PIECE` characters."""
    start = 0
    space = re.compile(r"\s")
    while start < len(text):
        end = start + PIECE
        found = space.search(text, end, end + OVERLAP)
        end = min(len(text), found.start() if found else end)
        yield start, end
        start = end
