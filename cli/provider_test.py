"""`perdure providers test`: whether a provider works with the settings here, and what it costs."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from cli.configured import read_settings_or_exit
from cli.errors import EXIT_RUN_FAILED, UsageMistakeError
from cli.figures import clean, count, seconds
from cli.options import json_option
from cli.output import print_json, show
from cli.prose import indented
from cli.steps import LOOKS, fit
from observability.logs import configure_logging
from providers.probe import Probe, probe
from providers.registry import CapabilityRegistry, build_registry
from providers.types import Offer, Usage
from settings import Settings, SettingsError

_LONGEST_CAPABILITY = 25
_LONGEST_MODEL = 26


@click.command
@click.argument("name")
@click.option("--capability", metavar="NAME", help="Only calls of this capability.")
@json_option
def test(name: str, capability: str | None, *, as_json: bool) -> None:
    """Make the smallest real call of each capability that the provider NAME offers.

    With the settings of this process; no API is needed. Says what was answered, how long it took,
    what was used and what it cost. Exit code 1 when a call failed.
    """
    registry = registry_or_exit(read_settings_or_exit())
    offers = _chosen(registry.offers, name, capability)
    probes = asyncio.run(make_probes(registry, offers, shown=not as_json))
    if as_json:
        print_json({"ok": _all_work(probes), "calls": [to_dict(probe) for probe in probes]})
    elif len(probes) > 1:
        click.echo(f"total {cost_of_all(probes)}")
    if not _all_work(probes):
        raise click.exceptions.Exit(EXIT_RUN_FAILED)


def registry_or_exit(settings: Settings) -> CapabilityRegistry:
    """Make the providers of these settings; logs go to standard error.

    Raises:
        UsageMistakeError: A key or an installed package can't be used.
    """
    configure_logging(settings.ai_log_format)
    try:
        return build_registry(settings)
    except SettingsError as error:
        raise UsageMistakeError(str(error)) from None


async def make_probes(
    registry: CapabilityRegistry, offers: Sequence[Offer], *, shown: bool
) -> Sequence[Probe]:
    """Make the smallest call of each offer, one after the other, and close the registry.

    Args:
        registry: Where the offers are from.
        offers: What to try.
        shown: Whether each call is told as soon as it has ended.
    """
    made: list[Probe] = []
    several = len({offer.provider for offer in offers}) > 1
    try:
        for offer in offers:
            one = await probe(registry.adapter(offer.provider), offer)
            if shown:
                show(*_lines_after(made[-1] if made else None, one, headed=several))
            made.append(one)
    finally:
        await registry.close()
    return made


def _chosen(offers: Sequence[Offer], name: str, capability: str | None) -> Sequence[Offer]:
    """Return the offers that are meant, or say what there is."""
    names = list(dict.fromkeys(offer.provider for offer in offers))
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(names))}"
        raise UsageMistakeError(f"there is no provider {name!r} here: {hint}")
    of_provider = [offer for offer in offers if offer.provider == name]
    chosen = [offer for offer in of_provider if capability in (None, offer.capability)]
    if not chosen:
        known = ", ".join(dict.fromkeys(offer.capability for offer in of_provider))
        raise UsageMistakeError(f"{name} does not offer {capability!r}: it offers {known}")
    return chosen


def _lines_after(before: Probe | None, probe: Probe, *, headed: bool) -> list[RenderableType]:
    """Return the lines of a call, without the remedy that stands above already."""
    heading: list[RenderableType] = []
    if headed and (before is None or before.offer.provider != probe.offer.provider):
        heading.append(Text(clean(probe.offer.provider), "bold"))
    if before is not None and before.mend == probe.mend:
        probe = replace(probe, mend=None)
    return [*heading, *_lines(probe)]


def _lines(probe: Probe) -> list[RenderableType]:
    """Return a line of figures, and below it what was answered, or what is wrong and the remedy."""
    asked = probe.offer.available
    mark, style = LOOKS["completed" if probe.works else "failed" if asked else "skipped"]
    line = Text("  ", no_wrap=True, overflow="ellipsis").append(mark, style).append(" ")
    line.append_text(fit(probe.offer.capability, _LONGEST_CAPABILITY)).append("  ")
    line.append_text(fit(clean(probe.offer.model, one_line=True), _LONGEST_MODEL, "dim"))
    if asked:
        line.append(f"  {seconds(probe.seconds):>6}  {exact_cost(probe.cost)}")
    answer = " · ".join(filter(None, (_used(probe.usage), probe.said)))
    below = [(answer, "dim"), (probe.problem if asked else None, "red"), (probe.mend, "yellow")]
    return [line, *(_below(words, style) for words, style in below if words)]


def _below(words: str, style: str) -> RenderableType:
    return indented(indented(Text(clean(words, one_line=True), style)))


def exact_cost(cost: Decimal | None) -> str:
    """Return an amount with all of its digits."""
    return "cost unknown" if cost is None else f"${cost:f}"


def cost_of_all(probes: Sequence[Probe]) -> str:
    """Add up what calls cost; where a part is unknown, what is known of it."""
    known = sum((probe.cost for probe in probes if probe.cost is not None), Decimal(0))
    unknown = sum(probe.cost is None for probe in probes)
    return exact_cost(known) + (f" and {count(unknown, 'unknown cost')}" if unknown else "")


def to_dict(probe: Probe) -> dict[str, Any]:
    """Return a call as JSON has it."""
    usage = probe.usage or Usage()
    return {
        "provider": probe.offer.provider,
        "capability": probe.offer.capability,
        "model": probe.offer.model,
        "works": probe.works,
        "seconds": round(probe.seconds, 3),
        "answer": probe.said,
        "usage": usage.model_dump(mode="json", exclude_none=True),
        "cost_usd": None if probe.cost is None else f"{probe.cost:f}",
        "problem": probe.problem,
        "mend": probe.mend,
    }


def _used(usage: Usage | None) -> str:
    if usage is None:
        return ""
    parts = []
    if usage.input_tokens is not None:
        parts.append(f"{usage.input_tokens} + {usage.output_tokens or 0} tokens")
    if usage.audio_seconds is not None:
        parts.append(f"{usage.audio_seconds:g} s of sound")
    if usage.characters is not None:
        parts.append(count(usage.characters, "character"))
    return ", ".join(parts)


def _all_work(probes: Sequence[Probe]) -> bool:
    return all(probe.works for probe in probes)
