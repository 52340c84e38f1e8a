"""`perdure pipelines` and `perdure providers`: what can be run, and who does the work."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import click
from rich.cells import cell_len
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from cli.client import Api
from cli.definitions import export, register, schema, validate
from cli.drawing import asked_for, show_pipeline
from cli.errors import UsageMistakeError
from cli.estimating import estimate_pipeline
from cli.figures import ABSENT, byte_size, clean, decimal, money, span
from cli.lazy import Lazy, LazyGroup
from cli.options import json_option, talks_to_api
from cli.output import print_json, show, stdout_width
from cli.prose import indented
from cli.steps import fit, with_note

_TINY = {"token", "character"}  # priced in lists by the million
_MILLION = 1_000_000
_LANGUAGES = 4  # that are named; a vendor may have a hundred
_PROVIDER_COMMANDS = {
    "test": Lazy("cli.provider_test:test", "Make the smallest real calls, say what they cost."),
    "clear": Lazy("cli.cooling:clear", "Let a provider that cools down be asked again."),
}


@click.group
def pipelines() -> None:
    """Show, check, register and export pipelines."""


for command in (show_pipeline, validate, schema, register, export, estimate_pipeline):
    pipelines.add_command(command)


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


@click.group(cls=LazyGroup, table=_PROVIDER_COMMANDS, invoke_without_command=True)
@click.option("--capability", metavar="NAME", help="Only offers of this capability.")
@json_option
@talks_to_api
def providers(api: Api, capability: str | None, *, as_json: bool) -> None:
    """List who offers what: price, limits, weaknesses, and what is missing to use it."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    body = api.providers()
    offers = body["providers"]
    if capability:
        offers = _of_capability(capability, offers)
    if as_json:
        print_json({**body, "providers": offers})
        return
    if not offers:
        click.echo("no providers")
        return
    show(*_offers(offers, stdout_width()))


def _of_capability(capability: str, offers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    known = list(dict.fromkeys(str(offer.get("capability")) for offer in offers))
    if known and capability not in known:
        near = get_close_matches(capability.lower(), known, n=1)
        meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise UsageMistakeError(f"nobody offers {capability!r}: {meant}")
    return [offer for offer in offers if offer.get("capability") == capability]


def _offers(offers: Sequence[Mapping[str, Any]], width: int) -> list[RenderableType]:
    """Return the offers under their capabilities, each with what to know about it."""
    offers = sorted(offers, key=lambda offer: str(offer.get("capability")))
    names = [_who(offer) for offer in offers]
    prices = [_unit_price(offer) for offer in offers]
    tiers = [clean(offer.get("quality_tier") or "", one_line=True) for offer in offers]
    widths = [max(map(cell_len, column)) for column in (names, tiers, prices)]
    lines: list[RenderableType] = []
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
        if facts := [*_limits(offer.get("limits")), *_caveat(offer)]:
            lines.append(Padding(_cell(" ".join(facts), "dim"), (0, 0, 0, 4), expand=False))
    return lines


def _limits(limits: object) -> list[str]:
    """Return the bounds of an offer, as far as they are known: a sentence for each kind."""
    if not isinstance(limits, Mapping):
        return []
    bounds = {
        "max_file_bytes": byte_size,
        "max_duration_seconds": span,
        "max_input_tokens": "{:,} tokens".format,
    }
    found = [write(limits[key]) for key, write in bounds.items() if limits.get(key)]
    languages = limits.get("languages") or []
    more = len(languages) - _LANGUAGES
    named = [*languages[:_LANGUAGES], *([f"{more} more"] if more > 0 else [])]
    return [
        f"{head} {', '.join(words)}."
        for head, words in (("Up to", found), ("Languages:", named))
        if words
    ]


def _caveat(offer: Mapping[str, Any]) -> list[str]:
    return [str(offer["caveat"])] if offer.get("caveat") else []


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
    needs = _cell(f"input: {asked_for(pipeline.get('input_schema'))}", "dim")
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


def _cell(value: object, style: str = "") -> Text:
    return Text(clean("" if value is None else value, one_line=True), style)
