"""Key sentences by LexRank: those that are most like all the others.

Lines are sentences where the text is a conversation. LexRank compares every sentence with every
other, so a long text is ranked in blocks first and then once more, among the best of each block.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from sumy.models.dom import ObjectDocumentModel, Paragraph, Sentence
from sumy.summarizers.lex_rank import LexRankSummarizer
from sumy.utils import get_stop_words

DEFAULT_SENTENCES = 3
BLOCK = 120
"""Sentences that are compared with one another at once; the time grows with its square."""

MIN_WORDS = 4
"""Shorter lines of a conversation ("yes please") are no key sentences."""

MAX_SENTENCE_CHARACTERS = 600
"""A text without punctuation is cut after so many."""

_BOUNDARY = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


class _Words:
    """What sumy calls a tokenizer; its own one needs data files from the network."""

    @staticmethod
    def to_words(text: str) -> tuple[str, ...]:
        return tuple(_WORD.findall(text.lower()))


def summarize(params: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Pick `max_sentences` sentences of `text`, in their order."""
    text, count = params["text"], params.get("max_sentences") or DEFAULT_SENTENCES
    sentences = split_sentences(text)
    candidates = [i for i, one in enumerate(sentences) if len(_WORD.findall(one)) >= MIN_WORDS]
    if len(candidates) < count:
        candidates = list(range(len(sentences)))
    chosen = _narrow(sentences, candidates, count, report)
    separator = "\n" if "\n" in text.strip() else " "
    return {"text": separator.join(sentences[i] for i in sorted(chosen))}


def split_sentences(text: str) -> list[str]:
    """Split at punctuation and line ends; cut what is too long."""
    parts = (part.strip() for part in _BOUNDARY.split(text))
    return [piece for part in parts if part for piece in _pieces(part)]


def _pieces(sentence: str) -> list[str]:
    pieces, rest = [], sentence
    while len(rest) > MAX_SENTENCE_CHARACTERS:
        cut = rest.rfind(" ", 1, MAX_SENTENCE_CHARACTERS)
        cut = cut if cut > 0 else MAX_SENTENCE_CHARACTERS
        pieces.append(rest[:cut])
        rest = rest[cut:].lstrip()
    return [*pieces, rest] if rest else pieces


def _narrow(
    sentences: Sequence[str], candidates: list[int], count: int, report: Callable[[float], None]
) -> list[int]:
    """Rank in blocks until what is left fits in one."""
    work, done = max(1, 2 * len(candidates)), 0
    while len(candidates) > max(BLOCK, count):
        kept: list[int] = []
        keep = BLOCK // 4
        for first in range(0, len(candidates), BLOCK):
            block = candidates[first : first + BLOCK]
            kept += _best(sentences, block, min(keep, len(block)))
            done += len(block)
            report(done / work)
        if len(kept) <= count:
            break
        candidates = kept
    return _best(sentences, candidates, count)


def _best(sentences: Sequence[str], candidates: Sequence[int], count: int) -> list[int]:
    """Return the best `count` of the candidates, in their order."""
    if len(candidates) <= count:
        return list(candidates)
    objects = {Sentence(sentences[i], _Words): i for i in reversed(candidates)}
    document = ObjectDocumentModel([Paragraph(list(objects)[::-1])])
    ranker = LexRankSummarizer()
    ranker.stop_words = get_stop_words("english")
    return sorted(objects[chosen] for chosen in ranker(document, count))
