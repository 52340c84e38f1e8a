"""A definition drawn for a terminal: head, steps on their rails, foot."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from cli.drawing import asked_for
from cli.figures import clean, money, span
from cli.steps import fit
from pipelines.graph import NODE, Row, marks_of, ordered, rails
from pipelines.model import PipelineDefinition, StepDefinition

_MOST_STEPS = 60  # that are drawn; more are listed
_MOST_RAILS = 10  # beside one another, two cells each
_MOST_LINES = 3  # of one remark
_LABEL = 10  # cells of a word in head and foot
_SHORTEST_NAME = 12
_LONGEST_NAME = 28
_PROVIDERS = 8  # cells that they get at least


def drawn(definition: PipelineDefinition, width: int) -> list[Text]:
    """Return the lines of the drawing; of a graph that is too wide or too long, a list."""
    rows = rails(definition, most=_MOST_RAILS) if len(definition.steps) <= _MOST_STEPS else None
    steps = _listed(definition, width) if rows is None else _drawn(rows, width)
    return [*_head(definition, width), Text(), *steps, Text(), *_foot(definition, width)]


def _head(definition: PipelineDefinition, width: int) -> Iterator[Text]:
    yield Text(clean(definition.name), "bold").append(f"@{clean(definition.version)}", "not bold")
    if definition.description:
        yield from _beside(Text("  "), definition.description, width)
    yield from _fact("input", asked_for(definition.input_schema) or "nothing", width)
    yield from _fact("timeout", span(definition.timeout), width)
    cap = "none" if definition.max_cost_usd is None else f"{money(definition.max_cost_usd)} a run"
    pauses = definition.on_budget_exceeded == "pause"
    yield from _fact("cost cap", cap + "; pauses when the budget is used up" * pauses, width)


def _foot(definition: PipelineDefinition, width: int) -> Iterator[Text]:
    if definition.output is None:
        yield from _fact("output", ", ".join(s.output_key for s in definition.steps), width)
        return
    for place, (name, source) in enumerate(definition.output.items()):
        value = name if name == source else f"{name} = {source}"
        yield from _fact("" if place else "output", value, width)


def _fact(label: str, value: str, width: int) -> Iterator[Text]:
    before = Text(f"  {label:<{_LABEL}}", "dim")
    return _beside(before, value, width, then=Text(" " * before.cell_len))


def _drawn(rows: Sequence[Row], width: int) -> Iterator[Text]:
    indent = max(len(row.at) for row in rows) + 2
    columns = _columns([row.step for row in rows], width - indent - 2)
    for place, row in enumerate(rows):
        if place:
            yield _rails(row.above)
        at = row.at.replace(NODE, _sign(row.step))
        yield _step(_rails(at, indent), row.step, columns, width)
        for mark in marks_of(row.step):
            yield from _beside(_rails(row.below, indent + 2), mark, width, "yellow")


def _rails(signs: str, indent: int = 0) -> Text:
    return Text(f"  {signs:<{indent}}", "cyan")


def _listed(definition: PipelineDefinition, width: int) -> Iterator[Text]:
    steps = ordered(definition)
    number = len(str(len(steps)))
    columns = _columns(steps, width - number - 4)
    before: tuple[str, ...] = ()
    for place, step in enumerate(steps, 1):
        yield _step(Text(f"  {place:>{number}}  ", "cyan"), step, columns, width)
        needs = definition.needs_of(step)
        after = f"after: {', '.join(needs)}" if needs else "starts at once"
        for mark in ([] if needs == before else [after]) + [*marks_of(step)]:
            yield from _beside(Text(" " * (number + 6)), mark, width, "yellow")
        before = (step.name,)


def _columns(steps: Sequence[StepDefinition], width: int) -> tuple[int, int]:
    """Return the cells of a name and of a capability."""
    longest = max(cell_len(step.name) for step in steps)
    capability = max(cell_len(step.capability) for step in steps)
    room = max(_SHORTEST_NAME, min(_LONGEST_NAME, width - capability - _PROVIDERS - 6))
    return min(longest, room), capability


def _step(before: Text, step: StepDefinition, columns: tuple[int, int], width: int) -> Text:
    name, capability = columns
    line = before.append_text(fit(clean(step.name), name, "bold not dim"))
    line.append(f"  {step.capability:<{capability}}  ")
    line.append(clean(", ".join(step.providers), one_line=True), "dim")
    line.rstrip()
    line.truncate(width, overflow="ellipsis")
    return line


def _sign(step: StepDefinition) -> str:
    if step.when or "when" in step.code:
        return "◇"
    return "○" if step.optional else NODE


def _beside(
    before: Text, words: str, width: int, style: str = "", *, then: Text | None = None
) -> Iterator[Text]:
    """Return words in a few lines, with the same (or `then`) before each of them."""
    room = max(_SHORTEST_NAME, width - before.cell_len)
    lines = Text(clean(words, one_line=True), style).wrap(Console(width=room), room)
    for place, line in enumerate(lines[:_MOST_LINES]):
        line.rstrip()
        if place == _MOST_LINES - 1 < len(lines) - 1:
            line.truncate(room - 1)
            line.append("…")
        yield Text().append_text(then if then and place else before).append_text(line)
