"""How a text feels, by VADER's lexicon.

The score of a text is the mean of its sentences' compound scores: VADER rates sentences, and the
compound score of a long text runs to one end or the other. Its label is `positive` from 0.05 and
`negative` from -0.05, the thresholds that VADER's authors give. It is `mixed` when strong feelings
of both kinds stand side by side: of all clauses with a score of 0.4 or more, or of -0.4 or less,
the weaker side's sum is at least half the stronger side's.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Self

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

THRESHOLD = 0.05
STRONG = 0.4
BALANCE = 0.5

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE_END = re.compile(
    r"[.!?;\n]+|,?\s+\b(?:but|however|although|though|yet|whereas)\b,?\s*", re.IGNORECASE
)

analyser = cache(SentimentIntensityAnalyzer)
"""The lexicon, read at the first use and then kept."""


def sentiment(params: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Judge `segments`, each and together, or `text`."""
    segments = params.get("segments")
    if segments is None:
        return _Mood().add(params["text"], report).verdict()
    whole = _Mood()
    verdicts = []
    for number, segment in enumerate(segments, start=1):
        own = _Mood().add(segment["text"])
        whole.merge(own)
        verdicts.append({**own.verdict(), "speaker": segment.get("speaker")})
        report(number / len(segments))
    return {**whole.verdict(), "segments": verdicts}


class _Mood:
    """Scores of sentences, and the strong ones among the clauses."""

    def __init__(self) -> None:
        self.scores: list[float] = []
        self.delight = self.anger = 0.0

    def add(self, text: str, report: Callable[[float], None] = lambda _: None) -> Self:
        sentences = [part for part in _SENTENCE_END.split(text) if part.strip()]
        for number, sentence in enumerate(sentences, start=1):
            self.scores.append(_compound(sentence))
            for clause in _CLAUSE_END.split(sentence):
                score = _compound(clause)
                self.delight += score if score >= STRONG else 0.0
                self.anger -= score if score <= -STRONG else 0.0
            report(number / len(sentences))
        return self

    def merge(self, other: "_Mood") -> None:
        self.scores += other.scores
        self.delight += other.delight
        self.anger += other.anger

    def verdict(self) -> dict[str, Any]:
        score = sum(self.scores) / len(self.scores) if self.scores else 0.0
        weaker, stronger = sorted((self.delight, self.anger))
        if weaker and weaker >= BALANCE * stronger:
            label = "mixed"
        elif score >= THRESHOLD:
            label = "positive"
        elif score <= -THRESHOLD:
            label = "negative"
        else:
            label = "neutral"
        return {"label": label, "score": round(score, 4)}


def _compound(text: str) -> float:
    return float(analyser().polarity_scores(text)["compound"]) if text.strip() else 0.0
