"""`perdure doctor`: whether everything that a run needs is well, and how to mend what is not."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

import click
from click.core import ParameterSource
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.checks import (
    Check,
    check_data_folder,
    check_database,
    check_installation,
    check_ports,
    check_providers,
    check_settings,
)
from cli.client import Api
from cli.errors import EXIT_RUN_FAILED
from cli.figures import clean, count
from cli.options import json_option, talks_to_api
from cli.output import print_json, show
from cli.provider_test import cost_of_all, make_probes, to_dict
from cli.reachable import check_api, check_temporal
from cli.steps import LOOKS
from devserver import DevServerDescription
from observability.logs import configure_logging
from providers.adapters.local import LocalAdapter
from providers.probe import Probe, smallest_of
from providers.registry import CapabilityRegistry, build_registry
from providers.types import Offer
from settings import Settings, SettingsError

_LOOKS = {"ok": LOOKS["completed"], "note": LOOKS["skipped"], "problem": LOOKS["failed"]}


@click.command
@click.option(
    "--call/--no-call",
    default=None,
    help="Make the smallest call of every offer, or none; else one of each provider with a key.",
)
@json_option
@talks_to_api
def doctor(api: Api, *, call: bool | None, as_json: bool) -> None:
    """Check settings, keys, packages, Temporal, database, API and ports.

    Makes the smallest call of each provider but the embedded one, and says what that cost: a small
    part of a cent. Exit code 1 when something that is needed, or that a setting asks for, is not
    well.
    """
    given = click.get_current_context().get_parameter_source("api_url")
    checks, registry = _examine(api, asked_for=given is not ParameterSource.DEFAULT)
    if not as_json:
        show(_table(checks))
    probes: Sequence[Probe] = ()
    if registry is not None:
        offers = _to_call(registry.offers, call=call)
        probes = asyncio.run(make_probes(registry, offers, shown=not as_json))
    problems = sum(check.status == "problem" for check in checks)
    problems += sum(not probe.works for probe in probes)
    if as_json:
        calls = [to_dict(probe) for probe in probes]
        found = [asdict(check) for check in checks]
        print_json({"ok": not problems, "checks": found, "calls": calls})
    else:
        _conclude(problems, probes)
    if problems:
        raise click.exceptions.Exit(EXIT_RUN_FAILED)


def _to_call(offers: Iterable[Offer], *, call: bool | None) -> Sequence[Offer]:
    """Choose what is tried: every offer, none, or the smallest of each provider elsewhere."""
    usable = [offer for offer in offers if offer.available and call is not False]
    if call:
        return sorted(usable, key=lambda offer: offer.provider)
    return smallest_of(offer for offer in usable if offer.provider != LocalAdapter.name)


def _examine(api: Api, *, asked_for: bool) -> tuple[Sequence[Check], CapabilityRegistry | None]:
    """Look at everything; without settings that can be read, at what does not need them."""
    configure_logging("console")
    checks = [*check_installation()]
    settings, registry = None, None
    try:
        settings = Settings.load()
        registry = build_registry(settings)
    except SettingsError as error:
        found, _, example = str(error).partition(" Example: ")
        checks.append(Check("settings", "problem", found, example))
    else:
        checks.append(check_settings())
        checks += [check_data_folder(settings), check_database(settings)]
        checks += check_providers(settings, registry)
    reached = [*asyncio.run(check_temporal(settings)), check_api(api, asked_for=asked_for)]
    checks += reached
    if settings is not None:
        checks.append(check_ports(settings, _ports_of_ours(reached, api, settings)))
    return checks, registry


def _ports_of_ours(reached: Sequence[Check], api: Api, settings: Settings) -> set[int]:
    """Return the ports where what answers is ours, as far as that was seen."""
    well = {check.name for check in reached if check.status == "ok"}
    address = DevServerDescription.load().address
    ports = {
        "Temporal": {address.port, address.ui_port},
        "worker": {settings.ai_metrics_port},
        "API": {urlsplit(api.url).port or 0},
    }
    return set().union(*(ports[name] for name in well))


def _table(checks: Sequence[Check]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        grid.add_column()
    for check in checks:
        mark, style = _LOOKS[check.status]
        told = Text(clean(check.found, one_line=True))
        if check.mend:
            told.append(f"\n{clean(check.mend, one_line=True)}", "yellow")
        grid.add_row(Text.assemble("  ", (mark, style)), clean(check.name), told)
    return grid


def _conclude(problems: int, probes: Sequence[Probe]) -> None:
    if probes:
        click.echo(f"the calls cost {cost_of_all(probes)}")
    click.echo(f"{count(problems, 'problem')}." if problems else "All that is needed is well.")
