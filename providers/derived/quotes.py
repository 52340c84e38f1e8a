"""Where a model's quote stands in the text, although it may not have copied it to the letter."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Signs that models write for one another.
_ALIKE = (
    "'\u2018\u2019\u02bc`\u00b4",
    '"\u201c\u201d\u201e\u00ab\u00bb',
    "-\u2010\u2011\u2012\u2013\u2014\u2212",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of text number `text`, in code points; `end` is exclusive."""

    text: int
    start: int
    end: int


def find_quote(quote: str, texts: Sequence[str], own: int) -> list[Place]:
    """Find every place of a quote; none when it is in none of the texts.

    It counts wherever it stands as it is, white space apart, but not inside a longer word or
    number: that is another one. Where its own text has no such place, one there that differs in
    case, white space or the form of its signs will do, and else such a place in any text.

    Args:
        quote: What the model quoted.
        texts: The texts of the document.
        own: The number of the text that it says it quoted from.
    """
    words = [re.escape(word) for word in quote.split()]
    if not words:
        return []
    places = [
        place
        for place in _search(re.compile(r"\s+".join(words)), texts)
        if _stands_alone(texts[place.text], place)
    ]
    if any(place.text == own for place in places):
        return places
    near = list(_search(_tolerant(quote), texts))
    return places + ([place for place in near if place.text == own] or ([] if places else near))


def _search(pattern: re.Pattern[str], texts: Sequence[str]) -> Iterator[Place]:
    for number, text in enumerate(texts):
        for match in pattern.finditer(text):
            yield Place(number, match.start(), match.end())


def _tolerant(quote: str) -> re.Pattern[str]:
    signs = "".join(unicodedata.normalize("NFC", quote).split())
    return re.compile(r"\s*".join(_sign(sign) for sign in signs), re.IGNORECASE)


def _sign(sign: str) -> str:
    for alike in _ALIKE:
        if sign in alike:
            return f"[{re.escape(alike)}]"
    apart = unicodedata.normalize("NFD", sign)
    return re.escape(sign) if apart == sign else f"(?:{re.escape(sign)}|{re.escape(apart)})"


def _stands_alone(text: str, place: Place) -> bool:
    return not (
        (place.start > 0 and _belong(text[place.start - 1], text[place.start]))
        or (place.end < len(text) and _belong(text[place.end - 1], text[place.end]))
    )


def _belong(left: str, right: str) -> bool:
    """Say whether two signs are of one word or number; scripts without case also glue words."""
    return (left.isdigit() and right.isdigit()) or (_is_cased(left) and _is_cased(right))


def _is_cased(sign: str) -> bool:
    return sign.lower() != sign.upper()
