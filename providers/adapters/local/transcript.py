"""A text as the finders of personal data see it: who said which words, one after the other.

All positions are code points into `Transcript.text`. For plain text that is the text itself, each
line an utterance of nobody known; for segments it is their texts, joined by newlines.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

TOKEN = re.compile(r"\d+|[^\W\d_]+(?:['\u2019][^\W\d_]+)*")

BACKCHANNEL_TOKENS = 6
"""An utterance of so few words ("uh huh", a number said back) interrupts nobody."""

MAX_INTERRUPTIONS = 2

MAX_UTTERANCE = 2_000
"""Characters; what is said before and after a number is looked for within one utterance."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word in lower case, or a group of digits, and where it stands."""

    word: str
    start: int
    end: int
    utterance: int
    index: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """A line or a segment: where it stands, and which tokens (`first` up to `last`, exclusive)."""

    start: int
    end: int
    speaker: str | None
    first: int
    last: int


class Transcript:
    """The text, its utterances and its tokens.

    Attributes:
        parts: Where each part of the input stands.
        spoken: Whether the parts are segments of a recording.
    """

    def __init__(self, parts: Sequence[tuple[str, str | None]], *, spoken: bool) -> None:
        """Take `(text, speaker)` parts."""
        self.text = "\n".join(text for text, _ in parts)
        self.spoken = spoken
        self.parts: list[tuple[int, int]] = []
        self.tokens: list[Token] = []
        self.utterances: list[Utterance] = []
        offset = 0
        for text, speaker in parts:
            self.parts.append((offset, offset + len(text)))
            for start, end in _cuts(self.text, offset, offset + len(text)):
                self._add(start, end, speaker)
            offset += len(text) + 1

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> Self:
        """Read `segments`, or else `text`, of a redaction request."""
        segments = params.get("segments")
        if segments is None:
            return cls([(line, None) for line in params["text"].split("\n")], spoken=False)
        parts = [(segment["text"], segment.get("speaker")) for segment in segments]
        return cls(parts, spoken=True)

    def _add(self, start: int, end: int, speaker: str | None) -> None:
        first, number = len(self.tokens), len(self.utterances)
        for match in TOKEN.finditer(self.text, start, end):
            word = match.group().lower().replace("\u2019", "'")
            self.tokens.append(Token(word, match.start(), match.end(), number, len(self.tokens)))
        self.utterances.append(Utterance(start, end, speaker, first, len(self.tokens)))

    def words(self, utterance: int) -> Sequence[Token]:
        """Return the tokens of one utterance."""
        found = self.utterances[utterance]
        return self.tokens[found.first : found.last]

    def between(self, left: Token, right: Token) -> str:
        """Return what stands between two tokens: spaces and punctuation, if they are neighbours."""
        return self.text[left.end : right.start]

    def adjoin(self, left: Token, right: Token) -> bool:
        """Tell whether one token follows the other within the same line."""
        return right.index == left.index + 1 and "\n" not in self.between(left, right)

    def before(self, utterance: int, count: int = 2) -> Iterator[int]:
        """Yield the numbers of the utterances before this one, the nearest first."""
        yield from range(utterance - 1, max(-1, utterance - 1 - count), -1)

    def chains(self) -> list[list[Token]]:
        """Group the tokens into what each speaker said without being really interrupted."""
        chains: list[list[Token]] = []
        latest: dict[str | None, tuple[int, list[Token]]] = {}
        for number, utterance in enumerate(self.utterances):
            tokens = list(self.words(number))
            previous = latest.get(utterance.speaker)
            if previous is not None and self._continues(previous[0], number):
                chain = previous[1]
                chain += tokens
            else:
                chain = tokens
                chains.append(chain)
            latest[utterance.speaker] = (number, chain)
        return chains

    def _continues(self, earlier: int, later: int) -> bool:
        between = self.utterances[earlier + 1 : later]
        return len(between) <= MAX_INTERRUPTIONS and all(
            utterance.last - utterance.first <= BACKCHANNEL_TOKENS for utterance in between
        )


def _cuts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what is too long to be one utterance, at white space where there is any."""
    while end - start > MAX_UTTERANCE:
        cut = text.rfind(" ", start + 1, start + MAX_UTTERANCE)
        cut = cut if cut > start else start + MAX_UTTERANCE
        yield start, cut
        start = cut
    yield start, end
