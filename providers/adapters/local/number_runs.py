"""Runs of digits, spoken or written, in what one speaker says.

A run goes from one sure digit to another. Between them may stand homophones ("for", "to", "oh"),
fillers ("um", "and") and a few words that the recogniser must have misheard; how many is what
`tolerance` says. Words that count something ("dollars", "weeks") end a run.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from providers.adapters.local.number_words import (
    AMOUNT_UNITS,
    CENTURIES,
    FILLERS,
    HOMOPHONES,
    REPEATS,
    SCALES,
    SINGLES,
    TEENS,
    TENS,
    is_number,
    is_single,
)
from providers.adapters.local.transcript import Token, Transcript

MAX_GAP = 4
"""Words between two sure digits of one run."""

_JOINT = re.compile(r"[\s,.\-\u2010-\u2013()/+#*]*")
_BREAKERS = AMOUNT_UNITS | {"or", "than", "is", "are", "number", "numbers", "digit", "digits"}
_STRICT_BREAKERS = _BREAKERS | {"of", "in", "on", "from", "until", "till"}
_NO_NUMBER = re.compile(
    r"[$€£¥]\s?\d[\d,.]*"  # money
    r"|\b\d{1,3}(?:,\d{3})+(?:\.\d+)?\b"  # 1,234,567
    r"|(?<![\d.])\d{1,6}\.\d+(?![\d.])"  # 3.14
    r"|\b\d{1,2}:\d\d(?::\d\d)?\b"  # 12:30
    r"|\b\d{4}-\d{1,2}-\d{1,2}(?![\d-])"  # 2024-03-01
    r"|\b\d{1,2}([/.-])\d{1,2}\1(?:\d{4}|\d{2})(?![\d/-])"  # 03/01/2024
    r"|\b(?:19|20)\d\d\s?[-\u2013]\s?(?:19|20)\d\d\b"  # 2019-2021
    r"|\b\d+\s?%"
)


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring tokens that say a number, digit by digit or in groups.

    Attributes:
        tokens: From the first sure digit to the last, with what stands between.
        previous: The token of the same utterance before the run, if any.
        following: The tokens of the same utterance after the run.
    """

    tokens: tuple[Token, ...]
    previous: tuple[Token, ...]
    following: tuple[Token, ...]

    @property
    def digits(self) -> str:
        """All digits; a word that must have been misheard counts as none."""
        return read_digits([token.word for token in self.tokens])

    @property
    def singles(self) -> int:
        """How many digits were said or written one by one, or in a written group."""
        words = [token.word for token in self.tokens]
        return sum(
            len(word) if word.isdecimal() else word in SINGLES or word in REPEATS for word in words
        )

    @property
    def is_years(self) -> bool:
        """Tell whether it is made of nothing but years: "nineteen eighty five", "2019"."""
        return is_years([token.word for token in self.tokens])

    @property
    def is_cardinal(self) -> bool:
        """Tell whether it says how many: "twelve hundred", "five thousand and two"."""
        words = {token.word for token in self.tokens}
        return not words.isdisjoint(SCALES) and self.singles < MAX_GAP

    def widened(self, first: int, last: int) -> "Run":
        """Add `first` tokens from before and `last` from after the run."""
        before, after = len(self.previous) - first, last
        return Run(
            (*self.previous[before:], *self.tokens, *self.following[:after]),
            self.previous[:before],
            self.following[after:],
        )

    @property
    def counts_something(self) -> bool:
        """Tell whether a unit follows."""
        return bool(self.following) and self.following[0].word in AMOUNT_UNITS


def read_digits(words: Sequence[str]) -> str:
    """Turn words into digits: "forty nine double five oh" is "49550"."""
    digits, repeat, tens = "", 1, False
    for word in words:
        if word in REPEATS:
            repeat = REPEATS[word]
            continue
        value = word if word.isdecimal() else _value(word)
        if tens and len(value) == 1 and value != "0" and word in SINGLES:
            digits = digits[:-1]
        digits += value * repeat if len(value) == 1 else value
        repeat, tens = 1, word in TENS
    return digits


def _value(word: str) -> str:
    for table in (SINGLES, TEENS, TENS, SCALES, HOMOPHONES):
        if word in table:
            return table[word]
    return ""


def is_years(words: Sequence[str]) -> bool:
    """Tell whether words are years only, "to" and "and" between them allowed."""
    rest = [word for word in words if word not in {"and", "to"}]
    while rest:
        if re.fullmatch(r"(?:19|20)\d\d", rest[0]):
            rest = rest[1:]
        elif rest[0] in CENTURIES and len(rest) > 1 and (rest[1] in TENS or rest[1] in TEENS):
            with_unit = len(rest) > 2 and rest[1] in TENS and rest[2] in SINGLES  # noqa: PLR2004
            rest = rest[3:] if with_unit else rest[2:]
        elif rest[:2] == ["two", "thousand"]:
            rest = rest[2:]
            rest = rest[1:] if rest and (rest[0] in SINGLES or rest[0] in TEENS) else rest
        else:
            return False
    return True


class RunFinder:
    """Finds the runs of a transcript."""

    def __init__(self, transcript: Transcript) -> None:
        """Look for written digits that are money, dates, times and the like."""
        self._transcript = transcript
        self._excluded: set[int] = set()
        for match in _NO_NUMBER.finditer(transcript.text):
            self._excluded.update(range(match.start(), match.end()))

    def find(self, chain: Sequence[Token], tolerance: int) -> list[Run]:
        """Find all runs in one speaker's tokens; up to `tolerance` misheard words are bridged."""
        runs: list[Run] = []
        position = 0
        while position < len(chain):
            if not self._is_sure(chain[position]):
                position += 1
                continue
            last = position
            while (following := self._next_sure(chain, last, tolerance)) is not None:
                last = following
            if chain[last].word not in REPEATS:
                runs.append(self._run(chain, position, last))
            position = last + 1
        return runs

    def _run(self, chain: Sequence[Token], first: int, last: int) -> Run:
        head, tail = chain[first], chain[last]
        transcript = self._transcript
        opening = transcript.utterances[head.utterance]
        closing = transcript.utterances[tail.utterance]
        return Run(
            tuple(chain[first : last + 1]),
            tuple(transcript.tokens[opening.first : head.index]),
            tuple(transcript.tokens[tail.index + 1 : closing.last]),
        )

    def _next_sure(self, chain: Sequence[Token], last: int, tolerance: int) -> int | None:
        """Return where the run goes on after the sure digit at `last`, if it does."""
        breakers = _BREAKERS if tolerance > 1 else _STRICT_BREAKERS
        between: list[str] = []
        for position in range(last + 1, min(len(chain), last + MAX_GAP + 2)):
            token = chain[position]
            if token.word in breakers or not self._joined(chain[position - 1], token):
                return None
            if self._is_sure(token):
                ends = (is_single(chain[last].word), is_single(token.word))
                return position if _bridges(between, ends, tolerance) else None
            between.append(token.word)
        return None

    def _joined(self, left: Token, right: Token) -> bool:
        between = self._transcript.between(left, right)
        if left.utterance != right.utterance and "\n" in between:
            written = left.word.isdecimal() and right.word.isdecimal()
            return self._transcript.spoken or not written
        return _JOINT.fullmatch(between) is not None

    def _is_sure(self, token: Token) -> bool:
        return is_number(token.word) and token.start not in self._excluded


def _bridges(between: Sequence[str], ends: tuple[bool, bool], tolerance: int) -> bool:
    """Tell whether these words may stand between two digits; `ends`: are those single digits."""
    unknown = sum(word not in HOMOPHONES and word not in FILLERS for word in between)
    if unknown > tolerance:
        return False
    if tolerance > 1 or not between:
        return True
    return all(ends) if unknown else any(ends)
