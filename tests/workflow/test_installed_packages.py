"""What installed packages bring is run by a worker process, seen and asked for through the API."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from orchestrator import InstrumentedOrchestrator
from pipelines import catalogue, get_pipeline
from settings import ROOT, Settings
from tests.packages import Packages, install
from tests.problems import problem_of
from tests.serving import serve_api
from tests.snippets import blocks
from workflows.types import StepState

PROJECT, ADAPTER, *_, PIPELINE = blocks(ROOT / "docs" / "guides" / "add-a-provider.md")
PYTHON = ROOT / "docs" / "guides" / "python.md"
LONG = "It works. " * 20


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Install the packages of both guides, as they stand there."""
    (pipelines_project,) = blocks(PYTHON, "toml")
    *_, pipelines = blocks(PYTHON, "python")
    return [
        install(tmp_path / "lead", PROJECT, {"perdure_lead": ADAPTER}),
        install(tmp_path / "support", pipelines_project, {"support_pipelines": pipelines}),
    ]


@pytest.fixture(autouse=True)
def _installed(folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = Packages(tmp_path, monkeypatch)
    for folder in folders:
        packages.use(folder)
    monkeypatch.setattr(catalogue, "_installed", None)


@asynccontextmanager
async def worker_process(settings: Settings, folders: list[Path]) -> AsyncIterator[None]:
    """Run `perdure worker`, which finds the packages as any process does."""
    environment = {
        **os.environ,
        "AI_DATA_DIR": str(settings.ai_data_dir),
        "AI_TASK_QUEUE": settings.ai_task_queue,
        "AI_METRICS_PORT": "0",
        "PYTHONPATH": os.pathsep.join(map(str, [ROOT, *folders])),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "worker", env=environment
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        await process.wait()


async def execute(api: httpx2.AsyncClient, pipeline: str) -> dict[str, object]:
    answer = await api.post(
        "/execute",
        json={"pipeline_name": pipeline, "input_data": {"text": LONG}},
        headers={"Prefer": "wait=50"},
        timeout=60,
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    return body


async def test_the_packages_of_the_guides_run_through_the_api_and_a_worker(
    settings: Settings, folders: list[Path], tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "short.yaml").write_text(PIPELINE)
    settings = settings.model_copy(update={"ai_pipelines_path": own})
    async with serve_api(settings) as api, worker_process(settings, folders):
        offers = (await api.get("/providers")).json()["providers"]
        (lead,) = [offer for offer in offers if offer["name"] == "lead"]
        assert (lead["available"], lead["price"]) == (True, "0.000001")

        by_lead = await execute(api, "short")
        assert by_lead["output"] == {"summarize": {"text": "It works."}}
        assert by_lead["total_cost_usd"] == "0.0002"

        with_function = await execute(api, "long_texts")
        assert with_function["success"], with_function
        assert [step["status"] for step in with_function["steps"]] == ["completed"]  # type: ignore[attr-defined]

        written = await api.get("/definitions/long_texts")
        assert "'summarize'" in problem_of(written, 406, "not_exportable")["detail"]


async def test_an_orchestrators_own_worker_has_them_too(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with InstrumentedOrchestrator(settings=settings, own_worker=True) as orchestrator:
        result = await orchestrator.execute(get_pipeline("long_texts"), {"text": "Short."})
    assert result.success, result.error
    assert [step.status for step in result.steps] == [StepState.SKIPPED]
