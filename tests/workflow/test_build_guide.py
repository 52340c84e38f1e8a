"""The guide that builds a pipeline: what it says to type is typed, what it shows is seen."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from devserver import DevServerDescription
from orchestrator import InstrumentedOrchestrator
from pipelines.check import check_document
from pipelines.document import read_yaml
from settings import ROOT, Settings
from tests.serving import serve_api
from tests.walkthrough import Walkthrough

GUIDE = ROOT / "docs" / "guides" / "build-a-pipeline.md"
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DEEPGRAM_API_KEY", "ACCENT_API_KEY")


@pytest.fixture
async def _product(
    tmp_path: Path, temporal: DevServerDescription, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """A worker with the embedded providers only, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.target)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", temporal.namespace)
    monkeypatch.setenv("AI_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("AI_TASK_QUEUE", f"guide-{tmp_path.name}")
    for key in (*KEYS, "AI_COMPATIBLE_PROVIDERS", "PERDURE_API_KEY"):
        monkeypatch.delenv(key, raising=False)
    async with InstrumentedOrchestrator(own_worker=True):
        yield


@pytest.mark.usefixtures("_product")
async def test_the_guide_leads_to_a_pipeline_that_runs(tmp_path: Path) -> None:
    guide = Walkthrough(GUIDE, tmp_path)
    async with AsyncExitStack() as serving:
        api = await serving.enter_async_context(serve_api(Settings.load()))
        for language, text, shown in guide.parts():
            await guide.take(language, text, shown, root_of(api))
            if "AI_PIPELINES_PATH" in text:
                await serving.aclose()
                api = await serving.enter_async_context(serve_api(Settings.load()))
                await assert_everybody_has_it(api)
    written = check_document(read_yaml((tmp_path / "ticket.yaml").read_text()))
    assert guide.names["pipeline"] == written
    assert check_document(read_yaml((tmp_path / "from-python.yaml").read_text())) == written


def root_of(api: httpx2.AsyncClient) -> str:
    return f"http://127.0.0.1:{api.base_url.port}"


async def assert_everybody_has_it(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/definitions/ticket/1.1.0", headers={"X-Tenant-ID": "somebody-else"})
    assert answer.status_code == 200, answer.text
