"""The page about money: what it says to type is typed, what it shows is seen."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client import CollectorRegistry

from devserver import DevServerDescription
from ledger.accounts import AttemptState
from ledger.budgets import WARN_FROM
from ledger.reports import GroupBy
from ledger.runs import LEASE, UNCONFIRMED_LEASE
from observability.metrics import Metrics
from orchestrator import InstrumentedOrchestrator
from settings import ROOT, BudgetPolicy, Settings
from tests.serving import serve_api
from tests.walkthrough import Walkthrough

PAGE = ROOT / "docs" / "money.md"
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DEEPGRAM_API_KEY", "ACCENT_API_KEY")


@pytest.fixture
async def api(
    tmp_path: Path, temporal: DevServerDescription, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx2.AsyncClient]:
    """API and worker with the provider that the page names, in a folder of their own."""
    (providers,) = re.findall(r"AI_SIMULATED_PROVIDERS='(.*)'", PAGE.read_text())
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "TEMPORAL_ADDRESS": temporal.target,
        "TEMPORAL_NAMESPACE": temporal.namespace,
        "AI_DATA_DIR": str(tmp_path / "data"),
        "AI_TASK_QUEUE": f"money-{tmp_path.name}",
        "AI_SIMULATED_PROVIDERS": json.dumps(json.loads(providers)),
    }.items():
        monkeypatch.setenv(name, value)
    for key in (*KEYS, "AI_COMPATIBLE_PROVIDERS", "AI_DATABASE_URL", "PERDURE_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    async with (
        InstrumentedOrchestrator(own_worker=True),
        serve_api(Settings.load()) as api,
    ):
        yield api


async def test_what_the_page_shows_is_what_is_seen(api: httpx2.AsyncClient, tmp_path: Path) -> None:
    page = Walkthrough(PAGE, tmp_path)
    for language, text, shown in page.parts():
        await page.take(language, text, shown, f"http://127.0.0.1:{api.base_url.port}")


@pytest.mark.parametrize(
    "name", [name.value for kind in (BudgetPolicy, AttemptState, GroupBy) for name in kind]
)
def test_every_policy_state_and_group_is_told(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text()


def test_the_figures_in_the_text_are_those_of_the_code() -> None:
    text = PAGE.read_text()
    assert f"{WARN_FROM * 100:.0f} % of the limit" in text
    assert f"lease of {LEASE.total_seconds() / 60:.0f} minutes" in text
    assert (UNCONFIRMED_LEASE.days, "for a day after the run's end" in text) == (1, True)
    registry = CollectorRegistry()
    Metrics(registry)
    counted = {f"{metric.name}_total" for metric in registry.collect()}
    assert set(re.findall(r"`(ai_\w+)`", text)) <= counted
