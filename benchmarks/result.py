"""What a benchmark found, beside what is claimed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

from rich.console import Console
from rich.table import Table

_WRITTEN = ("name", "goal", "measured", "unit", "met")


class CannotMeasure(Exception):
    """Something that a benchmark needs is not on this machine; the message says what."""


@dataclass(frozen=True, slots=True)
class Result:
    """One claim and what was measured.

    Attributes:
        bound: Whether the figure is claimed to be at most or at least the goal.
        goal: In `unit`.
        measured: In `unit`, to four digits.
        note: What to compare it with; for readers, not part of the file.
    """

    name: str
    bound: Literal["at most", "at least"]
    goal: float
    measured: float
    unit: str
    met: bool
    note: str = ""

    @classmethod
    def at_most(cls, name: str, goal: float, measured: float, unit: str, note: str = "") -> Self:
        """Return the result of the claim that a figure is not above its goal."""
        shown = float(f"{measured:.4g}")
        return cls(name, "at most", goal, shown, unit, measured <= goal, note)

    @classmethod
    def at_least(cls, name: str, goal: float, measured: float, unit: str, note: str = "") -> Self:
        """Return the result of the claim that a figure is not below its goal."""
        shown = float(f"{measured:.4g}")
        return cls(name, "at least", goal, shown, unit, measured >= goal, note)


def write(results: Iterable[Result], path: Path) -> None:
    """Write a list of `{name, goal, measured, unit, met}`."""
    every = (asdict(result) for result in results)
    rows = [{key: result[key] for key in _WRITTEN} for result in every]
    path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def show(results: Sequence[Result], console: Console | None = None) -> None:
    """Print a table of results, each with its note below."""
    console = console or Console()
    table = Table("", "measured", "goal", "", box=None, pad_edge=False)
    for one in results:
        state = "met" if one.met else "[red]missed[/red]"
        goal = f"{one.bound} {one.goal:g} {one.unit}"
        table.add_row(one.name, f"{one.measured:g} {one.unit}", goal, state)
    console.print(table)
    for one in results:
        if one.note:
            console.print(f"\n{one.name}: {one.note}", style="dim", markup=False, highlight=False)
