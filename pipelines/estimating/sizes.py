"""How long a text will be: what is expected, what is the most, or why nobody knows."""

from dataclasses import dataclass
from typing import Self

# https://help.openai.com/en/articles/4936856, read 2026-11: a token is about four characters of
# English, which are four bytes. Other writing has fewer characters to a token, and more bytes to
# a character.
BYTES_PER_TOKEN = 4

# Twenty words of five letters and a space each.
CHARACTERS_PER_SENTENCE = 120

# Characters of a floating-point number in JSON: `-2.2250738585072014e-308`.
LONGEST_NUMBER = 24


@dataclass(frozen=True, slots=True)
class Length:
    """How long a text is.

    Attributes:
        characters: Code points.
        size: Bytes in UTF-8.
    """

    characters: int
    size: int

    def __add__(self, other: "Length") -> "Length":
        return Length(self.characters + other.characters, self.size + other.size)

    @classmethod
    def of(cls, text: str) -> Self:
        """Measure a text that is there."""
        return cls(len(text), len(text.encode()))

    @classmethod
    def ascii(cls, characters: int) -> Self:
        """Return the length of so many characters of English."""
        return cls(characters, characters)


@dataclass(frozen=True, slots=True)
class Size:
    """What is known of a text that is not there yet.

    Attributes:
        expected: Null when unknown; then there is no bound either.
        most: An upper bound; null when there is none.
        reason: Why one of them is null.
    """

    expected: Length | None
    most: Length | None
    reason: str | None = None

    def __add__(self, other: "Size") -> "Size":
        vaguer = min(self, other, key=lambda it: (it.expected is not None, it.most is not None))
        return Size(_sum(self.expected, other.expected), _sum(self.most, other.most), vaguer.reason)

    @classmethod
    def exact(cls, text: str) -> Self:
        """Measure a text that is there."""
        length = Length.of(text)
        return cls(length, length)

    @classmethod
    def unknown(cls, reason: str) -> Self:
        """Stand for a text of which nothing is known."""
        return cls(None, None, reason)

    @classmethod
    def within(cls, characters: int) -> Self:
        """Stand for a word or a figure of at most so many characters."""
        return cls(Length.ascii(characters), Length.ascii(characters))


NOTHING = Size.exact("")


def _sum(one: Length | None, other: Length | None) -> Length | None:
    return None if one is None or other is None else one + other
