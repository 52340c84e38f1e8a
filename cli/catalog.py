"""`perdure pipelines` and `perdure providers`: what can be run, and who does the work."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from cli.client import Api
from cli.figures import ABSENT, clean, decimal, money
from cli.options import json_option, talks_to_api
from cli.output import print_json, show, stdout_width
from cli.prose import indented
from cli.steps import fit, with_note

_TINY = {"token", "character"}  # priced in lists by the million
_MILLION = 1_000_000


@click.group
def pipelines() -> None:
    """Show the pipelines that can be run."""


@pipelines.command("list")
@json_option
@talks_to_api
def list_pipelines(api: Api, *, as_json: bool) -> None:
    """List the pipelines, with what one run is expected to cost."""
    body = api.pipelines()
    if as_json:
        print_json(body)
        return
    if not body["pipelines"]:
        click.echo("no pipelines")
        return
    show(*(part for pipeline in body["pipelines"] for part in _pipeline(pipeline)))


@click.command
@click.option("--capability", metavar="NAME", help="Only offers of this capability.")
@json_option
@talks_to_api
def providers(api: Api, capability: str | None, *, as_json: bool) -> None:
    """List who offers what, and what is missing where something can't be used."""
    body = api.providers()
    offers = body["providers"]
    if capability:
        offers = [offer for offer in offers if offer.get("capability") == capability]
    if as_json:
        print_json({**body, "providers": offers})
        return
    if not offers:
        click.echo("no providers")
        return
    show(*_offers(offers, stdout_width()))


def _offers(offers: Sequence[Mapping[str, Any]], width: int) -> list[Text]:
    """Return the offers under their capabilities, each with what is wrong with it."""
    offers = sorted(offers, key=lambda offer: str(offer.get("capability")))
    names = [_who(offer) for offer in offers]
    prices = [_unit_price(offer) for offer in offers]
    tiers = [clean(offer.get("quality_tier") or "", one_line=True) for offer in offers]
    widths = [max(map(cell_len, column)) for column in (names, tiers, prices)]
    lines: list[Text] = []
    before = None
    for offer, *cells in zip(offers, names, tiers, prices, strict=True):
        if (capability := offer.get("capability")) != before:
            lines += [*([Text()] if lines else []), _cell(capability, "bold")]
            before = capability
        mark, note = _availability(offer)
        line = Text(no_wrap=True, overflow="ellipsis").append("  ").append_text(mark)
        for cell, room in zip(cells, widths, strict=True):
            line.append("  ").append_text(fit(cell, room))
        lines += with_note(line, note, width, wrap=True)
    return lines


def _who(offer: Mapping[str, Any]) -> str:
    parts = (str(offer[key]) for key in ("name", "model") if offer.get(key))
    return clean("/".join(parts), one_line=True)


def _pipeline(pipeline: Mapping[str, Any]) -> list[RenderableType]:
    """Return a line of facts, what it needs, and what it is for."""
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append_text(_cell(pipeline.get("name"), "bold")).append("@")
    head.append_text(_cell(pipeline.get("version")))
    estimate = pipeline.get("estimated_cost_usd")
    cost = "cost unknown" if estimate is None else f"about {money(estimate)} a run"
    head.append(f"  {cost}", "dim")
    needs = _cell(f"input: {_inputs(pipeline.get('input_schema'))}", "dim")
    about = [_cell(pipeline["description"])] if pipeline.get("description") else []
    return [head, *(indented(line) for line in (*about, needs)), Text()]


def _availability(offer: Mapping[str, Any]) -> tuple[Text, Text]:
    reason = _cell(offer.get("reason"), "yellow")
    if not offer.get("available"):
        return Text(ABSENT, "yellow"), reason
    if offer.get("cooldown_until"):
        return Text("⏸", "yellow"), _cell(f"cooling down until {offer['cooldown_until']}", "yellow")
    return Text("✓", "green"), reason


def _unit_price(offer: Mapping[str, Any]) -> str:
    unit = str(offer.get("cost_unit"))
    price = decimal(offer.get("price"))
    if unit == "free":
        return unit
    if unit in _TINY and price is not None:
        return f"{money(price * _MILLION)}/1M {unit}s"
    return f"{ABSENT if price is None else money(price)}/{unit}"


def _inputs(schema: object) -> str:
    """Return the names that an input schema asks for, optional ones in brackets."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(schema, dict) or not isinstance(properties, dict):
        return "any"
    required = schema.get("required") or []
    return ", ".join(name if name in required else f"[{name}]" for name in properties)


def _cell(value: object, style: str = "") -> Text:
    return Text(clean("" if value is None else value, one_line=True), style)
