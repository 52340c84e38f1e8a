"""`perdure budget` and `perdure budget set`: what may be spent in a month, and what is left."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from cli.client import Api
from cli.figures import clean, count, decimal, epoch, in_column, money, percent
from cli.lazy import Lazy, LazyGroup
from cli.options import json_option, talks_to_api
from cli.output import print_json, show, stdout_width
from cli.spending import spender_lines

_COMMANDS = {
    "set": Lazy("cli.budget:set_budget", "Set the limit of each month."),
    "spend": Lazy("cli.spending:spend", "What was spent, by day, pipeline, model and more."),
    "reconcile": Lazy("cli.reconciling:reconcile", "Book what is known by now of an attempt."),
    "verify": Lazy("cli.verifying:verify", "Hold every figure of the ledger against its sum."),
}
_POLICIES = {
    "warn": "nothing is refused",
    "soft_block": "a run starts while its estimate fits into what is left",
    "hard_block": "a run starts while its estimate fits into what is left, "
    "and no call begins that could pass the limit",
}
_WIDEST_BAR = 60
_PARTS = (("spent", "█", "cyan"), ("reserved", "▒", "yellow"), ("left", "░", "dim"))
_MOST = 5  # spenders


@click.group(cls=LazyGroup, table=_COMMANDS, invoke_without_command=True)
@click.option("--period", metavar="YYYY-MM", help="A past month (UTC); default: the present one.")
@json_option
@talks_to_api
def budget(api: Api, period: str | None, *, as_json: bool) -> None:
    """Show what a month's budget has spent, reserved and left, and who spends most."""
    status = api.budget({"period": period} if period else {})
    if as_json:
        print_json(status)
        return
    days = {"from": str(status["period_start"])[:10], "to": str(status["period_end"])[:10]}
    spenders = [api.spend({**days, "group_by": names}) for names in ("pipeline", "provider,model")]
    width = stdout_width()
    show(*status_lines(status, width, time.time()), *spender_lines(spenders, width, _MOST))


class Amount(click.ParamType[str]):
    """USD, as a decimal number."""

    name = "usd"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the number as it was typed, or refuse what is none; the API knows its bounds."""
        text = value.strip().removeprefix("$")
        if decimal(text) is None:
            self.fail(f"{value!r} is no amount such as 50 or 99.50", param, ctx)
        return text


@click.command("set")
@click.argument("limit", metavar="LIMIT", type=Amount())
@click.option(
    "--policy", type=click.Choice(list(_POLICIES)), help="What happens there; default: as before."
)
@json_option
@talks_to_api
def set_budget(api: Api, limit: str, policy: str | None, *, as_json: bool) -> None:
    """Set the limit of each month, in USD; it holds at once.

    \b
      warn        nothing is refused
      soft_block  a run starts while its estimate fits into what is left
      hard_block  the same, and no call begins that could pass the limit
    """  # noqa: D301 - the backspace is how click is told to keep lines
    status = api.set_budget({"limit_usd": limit} | ({"policy": policy} if policy else {}))
    if as_json:
        print_json(status)
    else:
        show(*status_lines(status, stdout_width(), time.time()))


def status_lines(status: Mapping[str, Any], width: int, now: float) -> list[RenderableType]:
    """Return whose month it is, a bar with its figures, and what happens at the limit.

    Args:
        status: The body of `GET /budget/status`.
        width: Cells of a line.
        now: Seconds since the epoch.
    """
    head = Text(f"{_plain(status.get('tenant_id'))} · {_month(status)}", "bold")
    return [head, Text(), *_bar(status, width), Text(), *_rules(status, now), Text()]


def _bar(status: Mapping[str, Any], width: int) -> Iterator[Text]:
    spent, reserved, left = (
        decimal(status.get(f"{name}_usd")) or Decimal(0)
        for name in ("spent", "reserved", "remaining")
    )
    amounts = (spent, reserved, left)
    limit = decimal(status.get("limit_usd")) or Decimal(0)
    used = spent + reserved
    line = Text("  ")
    for (_, glyph, style), cells in zip(
        _PARTS, _cells(amounts, min(_WIDEST_BAR, max(10, width - 12))), strict=True
    ):
        line.append(glyph * cells, style)
    yield line.append(f"  {percent(used, limit)}")
    shown = in_column([money(amount) for amount in amounts])
    for (name, glyph, style), amount in zip(_PARTS, shown, strict=True):
        row = Text("  ").append(glyph, style).append(f" {name:<8}  {amount}")
        if name == "left":
            row.append(f"  of {money(limit)}", "dim")
            if used > limit:
                row.append(f", {money(used - limit)} over", "bold red")
        yield row


def _cells(amounts: Sequence[Decimal], width: int) -> list[int]:
    """Share out a bar; what is not nothing has a cell, the largest part gives what that takes."""
    whole = sum(amounts)
    if not whole:
        return [0, 0, width]
    cells = [max(int(width * amount / whole), 1 if amount else 0) for amount in amounts]
    largest = cells.index(max(cells))
    cells[largest] += width - sum(cells)
    return cells


def _rules(status: Mapping[str, Any], now: float) -> Iterator[Text]:
    ends = epoch(status.get("period_end")) or 0.0
    if ends <= now:
        yield Text("The month is over; limit and policy are those of today.", "dim")
        return
    policy = _plain(status.get("policy"))
    yield Text.assemble((policy, "bold"), f": {_POLICIES.get(policy, '')}.")
    yield Text(f"Resets at {_moment(status.get('resets_at'))}, {_until(ends - now)}.", "dim")
    if policy != "warn" and not decimal(status.get("remaining_usd")):
        yield Text("Nothing is left: until then only runs that cost nothing start.", "yellow")


def _month(status: Mapping[str, Any]) -> str:
    try:
        return f"{datetime.fromisoformat(str(status.get('period_start'))):%B %Y}"
    except ValueError:
        return "?"


def _moment(timestamp: object) -> str:
    try:
        return f"{datetime.fromisoformat(str(timestamp)):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return "?"


def _until(seconds: float) -> str:
    hours = max(1, round(seconds / 3600))
    return f"in {count(hours // 24, 'day')}" if hours > 47 else f"in {count(hours, 'hour')}"  # noqa: PLR2004 - two days


def _plain(value: object) -> str:
    return clean(value, one_line=True)
