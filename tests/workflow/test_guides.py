"""Every Python snippet of the guides runs as it stands there."""

from pathlib import Path

import pytest

from devserver import DevServerDescription
from events import get_event_store
from orchestrator import (
    ExecutionResult,
    InstrumentedOrchestrator,
    get_instrumented_orchestrator,
)
from pipelines import get_pipeline
from settings import ROOT
from tests.snippets import python_blocks, run_snippet
from workflows.types import StepState

PYTHON = python_blocks(ROOT / "docs" / "guides" / "python.md")
MIGRATION = python_blocks(ROOT / "docs" / "guides" / "migrate-from-legacy.md")
RUNNING, EMBEDDED, KEYS, FOLLOW, OWN, _ = PYTHON
AFTER, SUMMARY = MIGRATION


@pytest.fixture(autouse=True)
def _product_of_its_own(
    tmp_path: Path, temporal: DevServerDescription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.target)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", temporal.namespace)
    monkeypatch.setenv("AI_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("AI_TASK_QUEUE", f"guides-{tmp_path.name}")


async def test_an_orchestrator_runs_on_a_worker_that_is_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with InstrumentedOrchestrator(own_worker=True):
        result: ExecutionResult = (await run_snippet(RUNNING))["result"]
        await run_snippet(FOLLOW, execution_id=result.execution_id)
    lines = capsys.readouterr().out.splitlines()
    assert f"True completed 0 {result.total_duration_ms}" in lines
    assert any("[PHONE_NUMBER]" in line for line in lines)
    assert "redact: local, $0" in lines


async def test_an_inner_block_gives_the_outer_one_back() -> None:
    async with InstrumentedOrchestrator() as outer:
        store = get_event_store()
        async with InstrumentedOrchestrator() as inner:
            assert get_instrumented_orchestrator() is inner
            assert get_event_store() is not store
        assert get_instrumented_orchestrator() is outer
        assert get_event_store() is store


async def test_an_orchestrator_brings_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    result: ExecutionResult = (await run_snippet(EMBEDDED))["result"]
    assert result.success, result.error
    assert result.output is not None
    assert "415" not in result.output["redacted"]["text"]


async def test_keys_are_given_to_a_worker_of_its_own() -> None:
    orchestrator = (await run_snippet(KEYS))["orchestrator"]
    assert orchestrator._settings.openai_api_key.get_secret_value() == "sk-..."


async def test_a_pipeline_with_a_function_runs_on_the_own_worker() -> None:
    result: ExecutionResult = (await run_snippet(OWN))["result"]
    assert result.success, result.error
    assert [step.status for step in result.steps] == [StepState.COMPLETED, StepState.SKIPPED]


async def test_the_new_call_of_the_migration_asks_for_an_input_that_fits(
    tmp_path: Path,
) -> None:
    """The recording is not there: the run, which is what the guide shows, ends with that."""
    source = AFTER.replace('"..."', repr(str(tmp_path / "call.wav")))
    async with InstrumentedOrchestrator(own_worker=True):
        result: ExecutionResult = (await run_snippet(source))["result"]
    assert not result.success
    assert result.error is not None
    assert result.error.code == "fetch_refused"


async def test_the_small_pipeline_of_the_migration_builds() -> None:
    pipeline = (await run_snippet(SUMMARY))["pipeline"]
    assert [step.output_key for step in pipeline.steps] == ["transcript", "summary"]


def test_the_table_of_the_migration_names_pipelines_that_are_there() -> None:
    guide = (ROOT / "docs" / "guides" / "migrate-from-legacy.md").read_text()
    rows = [line.split("|") for line in guide.splitlines() if line.startswith("| `")]
    named = {row[2].strip().strip("`") for row in rows if row[2].strip().strip("`").isidentifier()}
    pipelines = named - {"none"}
    assert pipelines == {"transcription", "call_analysis", "pii_detection"}
    assert all(get_pipeline(name) for name in pipelines)
