"""Speech as a conversation: who said what, when, with what was redacted standing out."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.figures import clean, clock

_MARK = r"\[[A-Z][A-Z0-9_]{2,}(?:[:#][0-9A-Za-z]+)?\]"
_COLOURS = ("cyan", "magenta", "green", "blue", "yellow", "red")


def marked(text: str) -> Text:
    """Return text in which redaction marks such as `[PHONE_NUMBER]` stand out."""
    shown = Text(clean(text).strip())
    shown.highlight_regex(_MARK, "bold yellow")
    return shown


def speaker_label(speaker: object) -> str:
    """Return `Agent`, `Speaker 0`: a number alone says nothing to a reader."""
    text = clean("" if speaker is None else speaker, one_line=True).replace("_", " ").strip()
    return f"Speaker {text}" if text.isdigit() else text[:1].upper() + text[1:]


def conversation(segments: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    """Return one row a segment; the speaker is named when it changes."""
    labels = [speaker_label(segment.get("speaker")) for segment in segments]
    colours = {label: _COLOURS[i % len(_COLOURS)] for i, label in enumerate(dict.fromkeys(labels))}
    known = any(labels)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column()
    grid.add_column(justify="right", style="dim", no_wrap=True)
    if known:
        grid.add_column(no_wrap=True, max_width=20)
    grid.add_column(overflow="fold")
    before = None
    for label, segment in zip(labels, segments, strict=True):
        start = segment.get("start")
        cells = ["", clock(start) if isinstance(start, int | float) else ""]
        name = [Text(label if label != before else "", f"bold {colours[label]}")] if known else []
        grid.add_row(*cells, *name, marked(str(segment["text"])))
        before = label
    return [grid]
