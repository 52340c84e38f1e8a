"""`perdure pipelines` and `perdure providers`: what can be run, and who does the work."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from cli.client import Api
from cli.errors import EXIT_USAGE, UsageMistakeError
from cli.figures import ABSENT, clean, decimal, money
from cli.options import json_option, talks_to_api
from cli.output import print_json, show, stdout_width
from cli.prose import indented
from cli.steps import fit, with_note

if TYPE_CHECKING:
    from pipelines.errors import Mistake

_TINY = {"token", "character"}  # priced in lists by the million
_MILLION = 1_000_000


@click.group
def pipelines() -> None:
    """Show, check and export pipelines."""


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


@pipelines.command("validate")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def validate(file: Path, *, as_json: bool) -> None:
    """Check a definition (YAML, or JSON by its name) and tell every mistake with its place."""
    mistakes = mistakes_in(file)
    if as_json:
        print_json({"valid": not mistakes, "errors": [asdict(mistake) for mistake in mistakes]})
    else:
        for mistake in mistakes:
            place = f"{mistake.line}:{mistake.column}" if mistake.line else mistake.pointer or "/"
            click.echo(clean(f"{file}:{place}: {mistake.message}"), err=True)
        if not mistakes:
            click.echo(f"{file} is valid.")
    if mistakes:
        raise click.exceptions.Exit(EXIT_USAGE)


@pipelines.command("schema")
def schema() -> None:
    """Print the JSON Schema that an editor checks and completes definitions with."""
    from pipelines.schema import definition_schema  # noqa: PLC0415 - the model takes a while

    print_json(definition_schema())


@pipelines.command("export")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of YAML.")
def export(name: str, *, as_json: bool) -> None:
    """Print a predefined pipeline (NAME or NAME@VERSION) as text, to change and run as your own."""
    from pipelines.catalogue import Catalogue  # noqa: PLC0415 - the model takes a while
    from pipelines.errors import PipelineNotFound  # noqa: PLC0415
    from pipelines.text import to_json, to_yaml  # noqa: PLC0415

    wanted, _, version = name.partition("@")
    try:
        definition = Catalogue().get(wanted, version or None)
    except PipelineNotFound as error:
        raise UsageMistakeError(str(error)) from None
    click.echo((to_json if as_json else to_yaml)(definition), nl=False)


def mistakes_in(file: Path) -> "Sequence[Mistake]":
    """Return everything that is wrong in a definition's file."""
    from pipelines.check import check_document  # noqa: PLC0415 - the model takes a while
    from pipelines.document import read_json, read_yaml  # noqa: PLC0415
    from pipelines.errors import InvalidDefinition  # noqa: PLC0415

    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise UsageMistakeError(f"{file} is not text in UTF-8") from None
    try:
        check_document((read_json if file.suffix == ".json" else read_yaml)(text))
    except InvalidDefinition as error:
        return error.mistakes
    return ()


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
