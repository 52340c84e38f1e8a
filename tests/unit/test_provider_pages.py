"""The pages about providers: the example of the guide works, that of the ranking is true."""

import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from providers.adapters.anthropic import AnthropicAdapter
from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.adapters.openai import OpenAIAdapter
from providers.registry import CapabilityRegistry
from providers.types import Capability, CostUnit, Offer, QualityTier, TokenPrices
from settings import ROOT
from tests.packages import install
from tests.snippets import blocks

GUIDE = ROOT / "docs" / "guides" / "add-a-provider.md"
PROJECT, ADAPTER, CONTRACT, COMMANDS, _ = blocks(GUIDE)


def run_contract_test(folder: Path, adapter: str) -> subprocess.CompletedProcess[str]:
    modules = {"perdure_lead": adapter, "test_perdure_lead": CONTRACT}
    install(folder, PROJECT, modules)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_guide_ends_with_a_passing_contract_test(tmp_path: Path) -> None:
    done = run_contract_test(tmp_path, ADAPTER)
    assert "1 passed" in done.stdout, done.stdout


def test_the_guides_contract_test_finds_a_mistake(tmp_path: Path) -> None:
    done = run_contract_test(tmp_path, ADAPTER.replace("Usage(characters=", "Usage(input_tokens="))
    assert "usage lacks characters" in done.stdout


def test_the_way_from_nothing_to_that_test_takes_less_than_60_lines() -> None:
    assert sum(len(part.splitlines()) for part in (PROJECT, ADAPTER, CONTRACT, COMMANDS)) < 60


class Listed(ProviderAdapter):
    """Offers one thing; is never called."""

    def __init__(self, offer: Offer) -> None:
        self.name = offer.provider
        self._offer = offer

    def offers(self) -> list[Offer]:
        return [self._offer]

    async def call(self, call: ProviderCall, report_progress: ReportProgress) -> ProviderAnswer:
        raise AssertionError(call, report_progress)


def test_the_example_of_the_ranking_is_what_the_registry_does() -> None:
    text = (ROOT / "docs" / "providers.md").read_text()
    row = r"^\| `(\w+)/([\w-]+)` \| (\w+) \| ([\d.]+|unknown) \| (yes|no) \| (\d|no): "
    rows = re.findall(row, text, re.MULTILINE)
    offers = [
        Offer(
            provider=provider,
            capability=Capability.TRANSCRIPTION,
            model=model,
            quality_tier=QualityTier(tier),
            cost_unit=CostUnit.MINUTE,
            price=None if price == "unknown" else Decimal(price),
            price_source="the page",
            available=available == "yes",
            reason=None if available == "yes" else "No key.",
        )
        for provider, model, tier, price, available, _ in rows
    ]
    registry = CapabilityRegistry([Listed(offer) for offer in offers])
    chain = registry.build_fallback_chain(Capability.TRANSCRIPTION, preferred=["openai"])
    asked = {row[0]: int(row[5]) for row in rows if row[5] != "no"}
    assert len(rows) == 5
    assert [offer.provider for offer in chain] == sorted(asked, key=lambda name: asked[name])


def test_the_table_of_language_models_is_what_is_offered() -> None:
    text = (ROOT / "docs" / "providers.md").read_text()
    for adapter in (OpenAIAdapter(None), AnthropicAdapter(None)):
        (model,) = adapter.models
        offer = adapter.offers()[0]
        cells = (
            f"`{adapter.name}`",
            f"`{model.name}`",
            "the four text capabilities",
            f"`{model.tier}`",
            f"{model.context_tokens:,}, of which out {model.max_output_tokens:,}",
            "; ".join(map(told, offer.token_prices)),
            f"{model.retires} or later" if model.retires else "no day named",
        )
        assert f"\n| {' | '.join(cells)} |\n" in text
        assert len(offer.token_prices) > 1


def told(prices: TokenPrices) -> str:
    above = "" if prices.above_input_tokens < 0 else f"above {prices.above_input_tokens:,} in: "
    return f"{above}{prices.input:.2f} and {prices.output:.2f}"


def test_every_tier_is_explained() -> None:
    text = (ROOT / "docs" / "providers.md").read_text()
    assert all(f"\n| `{tier}` | " in text for tier in QualityTier)
