"""`perdure costs`: the invoice of a run, a line for each attempt, and what they add up to."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import click
from rich.cells import cell_len
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from cli.client import Api
from cli.figures import clean, decimal, epoch, exact, in_column, money, seconds
from cli.options import execution_argument, json_option, talks_to_api
from cli.output import print_json, show, stdout_width
from cli.steps import LOOKS, Look, fit
from cli.units import units_of

_WIDEST = 100  # where the output has no edge
_LONGEST_NAME = 24
_MARK = 4  # cells: before the step
_LEAST = 10  # cells that a provider's name has at least
_CLOCKS_DIFFER = 1.0  # s, between machines: what is entered later than that is later
_TOTAL = {True: "  total", False: "  known"}
_UNKNOWN = Look("?", "yellow")


@click.command
@execution_argument
@json_option
@talks_to_api
def costs(api: Api, execution_id: str, *, as_json: bool) -> None:
    """Print the invoice of a run, as of now.

    Every attempt at a call is a line, also one that failed, was cancelled, or of which nobody knows
    whether it was sold; the lines add up to the total.
    """
    body = api.costs(execution_id)
    if as_json:
        print_json(body)
    else:
        show(*invoice_lines(body, min(stdout_width(), _WIDEST)))


def invoice_lines(body: Mapping[str, Any], width: int) -> list[RenderableType]:
    """Return whose invoice it is, its lines, and their sum.

    Args:
        body: The body of `GET /{execution_id}/costs`.
        width: Cells of a line.
    """
    head = Text(f"{_plain(body.get('pipeline_name'))}@{_plain(body.get('pipeline_version'))}")
    head.stylize("bold")
    head.append(f"  {_plain(body.get('execution_id'))}", "not bold dim")
    if body.get("admitted_on"):
        head.append(f"  {_plain(body['admitted_on'])}", "not bold dim")
    lines = body.get("lines") or []
    rows = [_row(line, body.get("ended_at")) for line in lines]
    amounts = [*(line.get("cost_usd") for line in lines), body.get("known_cost_usd")]
    figures = in_column([exact(amount) for amount in amounts])
    room = max(_LEAST, width - len(figures[0]) - 2)
    labels, are_whole = _labels(rows, room)
    is_known = decimal(body.get("total_cost_usd")) is not None
    *priced, total = _with_figures([*labels, Text(_TOTAL[is_known], "bold")], figures, room)
    below = [] if is_known else [_below(f"The total is unknown{_at_most(body)}.", "yellow")]
    table = _under(rows, priced, are_whole=are_whole)
    return [head, Text(), *(table or [Text("No call was made.")]), Text(), total, *below]


class _Row(NamedTuple):
    look: Look
    step: str
    who: str
    attempt: str
    outcome: str
    units: str
    notes: list[str]


def _row(line: Mapping[str, Any], ended_at: object) -> _Row:
    item = line.get("item")
    look, outcome = _outcome(line)
    return _Row(
        look=look,
        step=_plain(line.get("step")) + ("" if item is None else f"[{_plain(item)}]"),
        who=_plain(f"{line.get('provider')}/{line.get('model')}"),
        attempt=_plain(line.get("attempt")),
        outcome=outcome,
        units=units_of(line),
        notes=list(_notes(line, ended_at)),
    )


def _outcome(line: Mapping[str, Any]) -> tuple[Look, str]:
    state, outcome = _plain(line.get("state")), _plain(line.get("outcome") or "")
    match state, outcome:
        case "open", _:
            return LOOKS["running"], "under way"
        case "unconfirmed", _:
            return _UNKNOWN, outcome or state
        case "cancelled", _:
            return LOOKS["cancelled"], state
        case _, "success":
            return LOOKS["completed"], outcome
        case _, "reconciled":
            return LOOKS["skipped"], outcome
        case _:
            return LOOKS["failed"], outcome or state


def _notes(line: Mapping[str, Any], ended_at: object) -> Iterator[str]:
    """Say what a reader of the line would ask."""
    bound = line.get("bound_usd")
    most = "nobody knows for how much" if bound is None else f"for {exact(bound)} at most"
    if line.get("state") == "unconfirmed":
        yield f"unconfirmed: it may have been sold, {most}"
    elif line.get("cost_usd") is None and line.get("usage"):
        yield f"the price is unknown: {_plain(line.get('price_source'))}"
    elif line.get("cost_usd") is None and line.get("state") != "open":
        yield "the cost is unknown: the provider did not say what was used"
    if line.get("duplicate"):
        yield "duplicate: the call had been answered, and paid, already"
    entered, ended = epoch(line.get("entered_at")), epoch(ended_at)
    if entered and ended and entered > ended + _CLOCKS_DIFFER:
        yield f"entered {seconds(entered - ended)} after the run had ended"


def _labels(rows: Sequence[_Row], room: int) -> tuple[list[Text], bool]:
    """Return the lines without their figures, and whether they have all units beside them."""
    if not rows:
        return [], True
    name_room = min(max(cell_len(row.step) for row in rows), _LONGEST_NAME)
    attempt_room = max(len(row.attempt) for row in rows)
    outcome_room = max(cell_len(row.outcome) for row in rows)
    left = room - _MARK - name_room - attempt_room - outcome_room - 6
    who_room = max(_LEAST, min(max(cell_len(row.who) for row in rows), left))
    are_whole = max(cell_len(row.units) for row in rows) + 2 <= left - who_room
    labels = []
    for row in rows:
        label = Text("  ", no_wrap=True, overflow="ellipsis")
        label.append(row.look.mark, row.look.style).append(" ")
        label.append_text(fit(row.step, name_room, "bold")).append("  ")
        label.append_text(fit(row.who, who_room, "dim"))
        label.append(f"  {row.attempt:>{attempt_room}}  ", "dim")
        label.append_text(fit(row.outcome, outcome_room))
        labels.append(label.append(f"  {row.units}" if are_whole and row.units else "", "dim"))
    return labels, are_whole


def _with_figures(labels: Sequence[Text], figures: Sequence[str], room: int) -> Iterator[Text]:
    """Put figures behind the longest line, below one another."""
    edge = min(room, max(label.cell_len for label in labels))
    for label, figure in zip(labels, figures, strict=True):
        label.truncate(edge, overflow="ellipsis", pad=True)
        yield label.append(f"  {figure}")


def _under(rows: Sequence[_Row], lines: Sequence[Text], *, are_whole: bool) -> list[RenderableType]:
    """Put what a line had no room for below it."""
    table: list[RenderableType] = []
    for row, line in zip(rows, lines, strict=True):
        table.append(line)
        if row.units and not are_whole:
            table.append(_below(row.units, "dim"))
        table += [_below(note, "yellow") for note in row.notes]
    return table


def _below(text: str, style: str) -> RenderableType:
    return Padding(Text(text, style), (0, 0, 0, 4), expand=False)


def _at_most(body: Mapping[str, Any]) -> str:
    """Say up to what the total may be, where each line that is unknown has a bound."""
    lines = body.get("lines") or []
    unknown = [line for line in lines if line.get("cost_usd") is None]
    bounds = [decimal(line.get("bound_usd")) for line in unknown]
    known = decimal(body.get("known_cost_usd"))
    if known is None or not bounds or None in bounds:
        return ""
    most = sum((bound for bound in bounds if bound is not None), known)
    return f": at least {money(known)}, at most {money(most)}"


def _plain(value: object) -> str:
    return clean(value, one_line=True)
