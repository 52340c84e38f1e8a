"""A definition as a graph: in which order its steps run, and rails that show it in text.

Each step whose output is waited for has a rail, in a column of its own. A step stands on the
leftmost rail that ends with it, or on a new one; the line above it leads there from the rails of
the steps that it needs. A rail that crosses that line has nothing to do with it.

    ● transcribe
    ├─╮
    │ ● mood
    ● │ summarize
    ├─╯
    ● coach
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pipelines.model import PipelineDefinition, StepDefinition

NODE = "●"
_FUNCTION = "a Python function"
# What leads up, down, left and right from one place.
_SIGNS = {
    (True, True, False, False): "│",
    (True, True, False, True): "├",
    (True, True, True, False): "┤",
    (True, True, True, True): "┼",
    (True, False, False, True): "╰",
    (True, False, True, False): "╯",
    (True, False, True, True): "┴",
    (False, True, False, True): "╭",
    (False, True, True, False): "╮",
    (False, True, True, True): "┬",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A step in the drawing.

    Attributes:
        step: Which one.
        above: The line that leads to it; empty above the first.
        at: Its own line, with `NODE` where it stands.
        below: The rails that go on beside what is said about it.
    """

    step: StepDefinition
    above: str
    at: str
    below: str


def edges(definition: PipelineDefinition) -> list[tuple[str, str]]:
    """List which step comes right before which."""
    return [(need, step.name) for step in definition.steps for need in definition.needs_of(step)]


def ordered(definition: PipelineDefinition) -> list[StepDefinition]:
    """Return the steps so that each comes after those that it needs, else as they are written."""
    pending = list(definition.steps)
    found: dict[str, StepDefinition] = {}
    while pending:
        ready = (s for s in pending if found.keys() >= set(definition.needs_of(s)))
        step = next(ready, pending[0])
        found[step.name] = step
        pending.remove(step)
    return list(found.values())


def layers(definition: PipelineDefinition) -> list[list[str]]:
    """Group the steps by how many others must have ended before, one after the other."""
    depths: dict[str, int] = {}
    for step in ordered(definition):
        before = [depths[need] for need in definition.needs_of(step) if need in depths]
        depths[step.name] = max(before, default=-1) + 1
    deepest = max(depths.values())
    return [[n for n, depth in depths.items() if depth == level] for level in range(deepest + 1)]


def rails(definition: PipelineDefinition, *, most: int) -> list[Row] | None:
    """Draw the graph; none where that takes more columns than `most`."""
    drawing = _Rails(definition)
    rows: list[Row] = []
    for step in ordered(definition):
        rows.append(drawing.row(step))
        if drawing.columns > most:
            return None
    return rows


def marks_of(step: StepDefinition) -> Iterator[str]:
    """Say what makes a step special, each in a few words."""
    if step.when or "when" in step.code:
        yield f"when {step.when or _FUNCTION}"
    if step.optional:
        yield "optional"
    if step.for_each:
        collects = ", failed ones as {error}" if step.on_item_error == "collect" else ""
        yield f"for each of {step.for_each}, {step.max_parallel} at a time{collects}"
    if step.compensate or "compensate" in step.code:
        yield f"undone by {step.compensate or _FUNCTION}"


class _Rails:
    """The rails while one step after the other is drawn."""

    def __init__(self, definition: PipelineDefinition) -> None:
        self._definition = definition
        self._lanes: list[str | None] = []
        self._waiting: dict[str, set[str]] = {step.name: set() for step in definition.steps}
        for before, after in edges(definition):
            self._waiting[before].add(after)

    @property
    def columns(self) -> int:
        return len(self._lanes)

    def row(self, step: StepDefinition) -> Row:
        needs = self._definition.needs_of(step)
        parents = [column for column, lane in enumerate(self._lanes) if lane in needs]
        for need in needs:
            self._waiting[need].discard(step.name)
        ending = [column for column in parents if not self._waiting[self._lanes[column] or ""]]
        target = ending[0] if ending else self._free()
        above = self._line_to(target, parents, ending)
        for column in ending:
            self._lanes[column] = None
        at = self._written(target)
        self._lanes[target] = step.name if self._waiting[step.name] else None
        return Row(step, above, at, self._written())

    def _free(self) -> int:
        if None not in self._lanes:
            self._lanes.append(None)
        return self._lanes.index(None)

    def _line_to(self, target: int, parents: Sequence[int], ending: Collection[int]) -> str:
        joined = {*parents, target} if parents else set()
        low, high = min(joined, default=0), max(joined, default=0)
        line = ""
        for column, lane in enumerate(self._lanes):
            sign = "│" if lane else "─" if low < column < high else " "
            if column in joined:
                down = column == target or column not in ending
                sign = _SIGNS[lane is not None, down, column > low, column < high]
            line += sign + ("─" if low <= column < high else " ")
        return line.rstrip()

    def _written(self, node: int | None = None) -> str:
        signs = [NODE if c == node else "│" if lane else " " for c, lane in enumerate(self._lanes)]
        return " ".join(signs).rstrip()
