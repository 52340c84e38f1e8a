"""Key sentences by LexRank: those that are most like all the others.

Continuous LexRank (Erkan and Radev, 2004, https://doi.org/10.1613/jair.1523): a random walk over
the sentences, from each to the others by their likeness (cosine over tf-idf), with a damping of
0.15. Lines are sentences where the text is a conversation. Every sentence is compared with every
other, so a long text is ranked in blocks first and then once more, among the best of each block.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from providers.adapters.local.number_words import is_number

DEFAULT_SENTENCES = 3

BLOCK = 400
"""Sentences that are compared with one another at once; the time grows with its square."""

KEPT = 0.25
"""The part of a block that goes into the next round."""

DAMPING, STEPS = 0.15, 60

MIN_WORDS = 4
"""Shorter lines of a conversation ("yes please") are no key sentences."""

MAX_SENTENCE_CHARACTERS = 600
"""A text without punctuation is cut after so many."""

_BOUNDARY = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_SUFFIX = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|'s)$")
_STOP_WORDS = frozenset(
    """
    a about all also am an and any are as at be because been before but by can could did do does
    else for from get go going good great had has have he hello her here hi him his how i i'm if
    in into is it it's its just know let like may me more my no not now of off oh okay on one or
    our out over please really right said say see she should so some sorry sure tell than thank
    thanks that that's the their them then there these they thing this those to too up us very
    want was we well were what when where which while who why will with would yes yet you your
    """.split()  # noqa: SIM905 - a table
)

Scores = npt.NDArray[np.float64]


def summarize(params: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Pick `max_sentences` sentences of `text`, in their order."""
    text, count = params["text"], params.get("max_sentences") or DEFAULT_SENTENCES
    sentences = split_sentences(text)
    candidates = [i for i, one in enumerate(sentences) if len(_WORD.findall(one)) >= MIN_WORDS]
    if len(candidates) < count:
        candidates = list(range(len(sentences)))
    chosen = _narrow(sentences, candidates, count, report)
    separator = "\n" if "\n" in text.strip() else " "
    return {"text": separator.join(sentences[i] for i in chosen)}


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
    expected, done = len(candidates) / (1 - KEPT) + 1, 0
    while len(candidates) > max(BLOCK, count):
        kept: list[int] = []
        for first in range(0, len(candidates), BLOCK):
            block = candidates[first : first + BLOCK]
            kept += _best(sentences, block, max(1, int(len(block) * KEPT)))
            done += len(block)
            report(done / expected)
        if len(kept) < count:
            break
        candidates = kept
    return _best(sentences, candidates, count)


def _best(sentences: Sequence[str], candidates: Sequence[int], count: int) -> list[int]:
    """Return the best `count` of the candidates, in their order; of equals, the richer."""
    if len(candidates) <= count:
        return list(candidates)
    terms = [_terms(sentences[i]) for i in candidates]
    scores = rank(terms)
    order = sorted(
        range(len(candidates)), key=lambda n: (-round(float(scores[n]), 9), -len(set(terms[n])), n)
    )
    return sorted(candidates[n] for n in order[:count])


def rank(sentences: Sequence[Sequence[str]]) -> Scores:
    """Score sentences, given as their terms."""
    vocabulary = {term: n for n, term in enumerate(sorted({t for one in sentences for t in one}))}
    if not vocabulary:
        return np.zeros(len(sentences))
    counts = np.zeros((len(sentences), len(vocabulary)))
    for row, terms in enumerate(sentences):
        for term in terms:
            counts[row, vocabulary[term]] += 1
    weights = counts * np.log(1 + len(sentences) / (counts > 0).sum(axis=0))
    weights /= np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
    likeness = weights @ weights.T
    np.fill_diagonal(likeness, 0)  # a sentence speaks for itself whatever it says
    transitions = likeness / np.maximum(likeness.sum(axis=1, keepdims=True), 1e-12)
    scores = np.full(len(sentences), 1 / len(sentences))
    for _ in range(STEPS):
        scores = DAMPING / len(sentences) + (1 - DAMPING) * (scores @ transitions)
    return np.asarray(scores)


def _terms(sentence: str) -> list[str]:
    words = (word.lower().replace("\u2019", "'") for word in _WORD.findall(sentence))
    return [
        _SUFFIX.sub("", word) for word in words if word not in _STOP_WORDS and not is_number(word)
    ]
