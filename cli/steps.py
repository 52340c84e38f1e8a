"""The table of steps, as lines of text that fit a width; live and in a result's footer."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.text import Text

from cli.figures import ABSENT, clean, money, seconds
from cli.progress import Step

SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAMES_PER_SECOND = 10
_LONGEST_NAME = 24
_LONGEST_WHO = 48
_INDENT = 4


class Look(NamedTuple):
    """How a status is shown."""

    mark: str
    style: str


LOOKS = {
    "pending": Look("·", "dim"),
    "running": Look("●", "cyan"),
    "paused": Look("⏸", "yellow"),
    "completed": Look("✓", "green"),
    "failed": Look("✗", "bold red"),
    "skipped": Look(ABSENT, "yellow"),
    "cancelled": Look(ABSENT, "yellow"),
    "compensated": Look("↺", "yellow"),
}
_UNKNOWN = Look("?", "dim")


def look(status: str) -> Look:
    """Return how a status of a run or a step is shown."""
    return LOOKS.get(status, _UNKNOWN)


def step_lines(steps: Iterable[Step], width: int, now: float, *, wrap: bool) -> list[list[Text]]:
    """Return the lines of each step: one, and below it the note where that does not fit beside.

    Args:
        steps: What to show.
        width: Cells of a line.
        now: Seconds since the epoch by the API's clock; what runs is timed against it.
        wrap: Whether a long note may take many lines; live it has one.
    """
    rows = [_cells(step, now) for step in steps]
    name_width = min(max((cell_len(row.name) for row in rows), default=0), _LONGEST_NAME)
    who_room = max(10, width - name_width - 30)
    who_width = min(max((cell_len(row.who) for row in rows), default=0), _LONGEST_WHO, who_room)
    return [_lines(row, name_width, who_width, width, wrap=wrap) for row in rows]


class _Row(NamedTuple):
    mark: Text
    name: str
    who: str
    took: str
    cost: str
    note: str
    style: str


def _cells(step: Step, now: float) -> _Row:
    mark, style = look(step.status)
    running = step.status == "running"
    if running:
        mark = SPINNER[int(now * _FRAMES_PER_SECOND) % len(SPINNER)]
    took = now - step.started if running and step.started is not None else step.took
    note = (step.activity if running else None) or step.note or ""
    if step.status == "skipped":
        note = f"skipped: {note}" if note else "skipped"
    elif step.status == "cancelled":
        note = "cancelled"
    return _Row(
        mark=Text(mark, style),
        name=clean(step.name, one_line=True),
        who=clean(step.who, one_line=True),
        took="" if took is None else seconds(max(0.0, took)),
        cost="" if step.spent is None else money(step.spent),
        note=clean(note, one_line=True),
        style="dim" if step.status == "pending" else "",
    )


def _lines(row: _Row, name_width: int, who_width: int, width: int, *, wrap: bool) -> list[Text]:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("  ").append_text(row.mark).append(" ")
    line.append_text(fit(row.name, name_width, row.style)).append("  ")
    line.append_text(fit(row.who, who_width, "dim"))
    line.append(f"  {row.took:>7}  {row.cost:>8}")
    style = "red" if row.mark.plain == LOOKS["failed"].mark else "yellow"
    return with_note(line, Text(row.note, style), width, wrap=wrap)


def with_note(line: Text, note: Text, width: int, *, wrap: bool) -> list[Text]:
    """Return a line with its note beside it where that fits, else below it."""
    if not note:
        return [line]
    if line.cell_len + 2 + note.cell_len <= width:
        return [line.append("  ").append_text(note)]
    room = max(10, width - _INDENT - 2)
    if wrap:
        return [line, *(_indented(part) for part in _wrapped(note, room))]
    note.truncate(room, overflow="ellipsis")
    return [line, _indented(note)]


def _wrapped(text: Text, width: int) -> Sequence[Text]:
    from rich.console import Console  # noqa: PLC0415 - only here

    return list(text.wrap(Console(width=width), width))


def _indented(text: Text) -> Text:
    text.rstrip()
    return Text(" " * _INDENT, no_wrap=True, overflow="ellipsis").append_text(text)


def fit(value: str, width: int, style: str = "") -> Text:
    """Return text that takes exactly so many cells."""
    text = Text(value, style)
    text.truncate(width, overflow="ellipsis", pad=True)
    return text
