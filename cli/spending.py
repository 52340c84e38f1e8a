"""`perdure budget spend`: what was spent, told apart by what is asked for."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import click
from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.client import Api
from cli.figures import ABSENT, clean, count, decimal, exact, in_column, money, percent
from cli.options import json_option, talks_to_api
from cli.output import print_json, show
from cli.steps import fit

_BY = "pipeline"
_DOUBTFUL = "Attempts that are under way or unconfirmed may cost more"
_FIGURES = {"cost_usd", "calls"}
_TITLES = {"pipeline": "Top pipelines", "model": "Top models"}


@click.command
@click.option("--from", "begin", metavar="DAY", help="The first day (UTC) of runs' admission.")
@click.option("--to", "end", metavar="DAY", help="The first day that is left out.")
@click.option(
    "--by",
    "names",
    metavar="NAMES",
    multiple=True,
    default=[_BY],
    show_default=True,
    help="What to tell apart: day, pipeline, provider, model, step, tag; a comma list.",
)
@json_option
@talks_to_api
def spend(
    api: Api, begin: str | None, end: str | None, names: Sequence[str], *, as_json: bool
) -> None:
    """Show what was spent on the runs that were admitted on some days, by default this month's.

    A run's whole cost counts on the day of its admission. One with several tags counts for each.

    \b
      perdure budget spend --by provider,model
      perdure budget spend --from 2026-11-01 --to 2026-12-01 --by day
    """  # noqa: D301 - the backspace is how click is told to keep lines
    days = {name: day for name, day in (("from", begin), ("to", end)) if day}
    asked = ",".join(names)
    body = api.spend(days | {"group_by": asked})
    if as_json:
        print_json(body)
    else:
        show(*spend_lines(body, [name.strip() for name in asked.split(",")]))


def spend_lines(body: Mapping[str, Any], asked: Sequence[str]) -> list[RenderableType]:
    """Return a table of the groups and their sum, and what no sum has.

    Args:
        body: The body of `GET /budget/spend`.
        asked: What the groups are told apart by, in the order of the columns.
    """
    groups = body.get("groups") or []
    left_out = list(_left_out(body))
    total = exact(body.get("total_usd"))
    if not groups and not Decimal(body.get("total_usd") or 0):
        return [Text("Nothing was spent."), *left_out]
    if not groups:
        return [Text(f"total {total}", "bold"), *left_out]
    *costs, total = in_column([*(exact(group.get("cost_usd")) for group in groups), total])
    names = [name for name in dict.fromkeys(asked) if name in groups[0]]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name.upper(), overflow="fold")
    table.add_column("COST", no_wrap=True)
    table.add_column("CALLS", no_wrap=True, justify="right")
    for group, cost in zip(groups, costs, strict=True):
        cells = (_cell(group.get(name)) for name in names)
        table.add_row(*cells, Text(cost), Text(f"{group.get('calls')}"))
    blanks = [Text()] * (len(names) - 1)
    table.add_row(Text("total", "bold"), *blanks, Text(total, "bold"), Text())
    return [table, *([Text()] if left_out else []), *left_out]


def spender_lines(
    bodies: Sequence[Mapping[str, Any]], width: int, most: int
) -> Iterator[RenderableType]:
    """Return the groups of each body that have spent most, with their part of the whole."""
    for body in bodies:
        groups = [group for group in body.get("groups") or [] if decimal(group.get("cost_usd"))]
        if not groups:
            continue
        *_, kind = (name for name in groups[0] if name not in _FIGURES)
        yield Text(_TITLES.get(kind, kind), "bold")
        yield from _ranked(groups[:most], decimal(body.get("total_usd")), width)
        if len(groups) > most:
            yield Text(f"  and {len(groups) - most} more: `perdure budget spend`", "dim")
        yield Text()
    if bodies:
        yield from _left_out(bodies[0])


def _ranked(
    groups: Sequence[Mapping[str, Any]], whole: Decimal | None, width: int
) -> Iterator[Text]:
    names = [
        "/".join(_plain(group[name]) for name in group if name not in _FIGURES) for group in groups
    ]
    costs = in_column([money(group.get("cost_usd")) for group in groups])
    calls = [count(int(group.get("calls") or 0), "call") for group in groups]
    room = min(max(map(cell_len, names)), max(10, width - 2 - len(costs[0]) - 20))
    for group, name, cost, number in zip(groups, names, costs, calls, strict=True):
        part = percent(decimal(group.get("cost_usd")) or Decimal(0), whole or Decimal(0))
        line = Text("  ", no_wrap=True, overflow="ellipsis").append_text(fit(name, room))
        yield line.append(f"  {cost}  {part:>5}").append(f"  {number}", "dim")


def _left_out(body: Mapping[str, Any]) -> Iterator[Text]:
    """Say what may have been spent besides."""
    unconfirmed, unpriced = body.get("unconfirmed_usd"), body.get("unpriced_calls") or 0
    if unconfirmed is None:
        yield Text(f"{_DOUBTFUL}; nobody knows how much.", "yellow")
    elif decimal(unconfirmed):
        yield Text(f"{_DOUBTFUL}: {exact(unconfirmed)} at most.", "yellow")
    if unpriced:
        yield Text(f"The cost of {count(unpriced, 'call')} is unknown, and in no sum.", "yellow")


def _cell(value: object) -> Text:
    return Text(ABSENT, "dim") if value is None else Text(_plain(value))


def _plain(value: object) -> str:
    return clean(value, one_line=True)
