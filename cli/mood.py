"""A sentiment: the whole, and each speaker where the segments tell."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.conversation import speaker_label
from cli.figures import clean

_STYLES = {"positive": "green", "negative": "red", "mixed": "yellow"}
_NEUTRAL = 0.05  # a mean nearer to zero leans to no side
_TRACK = 10


def mood(
    value: Mapping[str, Any], said: Sequence[Mapping[str, Any]]
) -> tuple[Text, list[RenderableType]]:
    """Return the overall sentiment, and a row for each speaker.

    Args:
        value: `label`, `score`, and `segments` in the order of the input.
        said: The conversation's segments: they name the speakers where the sentiment's don't.
    """
    overall = _words(str(value["label"]), value["score"])
    scores = _by_speaker(value.get("segments") or [], said)
    if len(scores) < 2:  # noqa: PLR2004 - one speaker is the whole
        return overall, []
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(4):
        grid.add_column(no_wrap=True)
    for speaker, values in scores.items():
        mean = fmean(values)
        grid.add_row("", speaker, _track(mean), _words(_label(mean), mean))
    return overall, [grid]


def _words(label: str, score: object) -> Text:
    text = Text(clean(label, one_line=True), _STYLES.get(label, ""))
    return text.append(f" {score:+.2f}", "dim") if isinstance(score, int | float) else text


def _label(score: float) -> str:
    if abs(score) < _NEUTRAL:
        return "neutral"
    return "positive" if score > 0 else "negative"


def _track(score: float) -> Text:
    """Return a scale from -1 to 1 with the score on it."""
    place = round((max(-1.0, min(1.0, score)) + 1) / 2 * _TRACK)
    line = Text("─" * place, "dim").append("●", _STYLES.get(_label(score), ""))
    return line.append("─" * (_TRACK - place), "dim")


def _by_speaker(
    segments: Sequence[Any], said: Sequence[Mapping[str, Any]]
) -> dict[str, list[float]]:
    aligned = len(said) == len(segments)
    scores: dict[str, list[float]] = {}
    for index, segment in enumerate(segments):
        if not isinstance(segment, dict) or not isinstance(segment.get("score"), int | float):
            continue
        speaker = segment.get("speaker")
        if speaker is None and aligned:
            speaker = said[index].get("speaker")
        if speaker is not None:
            scores.setdefault(speaker_label(speaker), []).append(float(segment["score"]))
    return scores
