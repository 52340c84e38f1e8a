"""`perdure doctor` with a real Temporal."""

import asyncio
import json
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devserver import DevServerDescription
from tests.runs import StartWorker
from tests.scripted import ScriptedAdapter
from tests.unit.cli.surroundings import run_perdure, surroundings


@pytest.fixture(autouse=True)
def _only_temporal_is_set(
    tmp_path: Path, temporal: DevServerDescription, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    with surroundings(tmp_path, monkeypatch):
        monkeypatch.delenv("PERDURE_API_URL", raising=False)
        monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.target)
        monkeypatch.setenv("TEMPORAL_NAMESPACE", temporal.namespace)
        monkeypatch.setenv("AI_TASK_QUEUE", "nobodys")
        yield


def temporal_and_worker() -> tuple[int, dict[str, Any]]:
    done = run_perdure("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    return done.exit_code, {name: checks.get(name) for name in ("Temporal", "worker")}


def test_all_that_is_needed_is_well_without_keys_api_and_worker() -> None:
    done = run_perdure("doctor")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "All that is needed is well."
    assert "nobody polls the task queue 'nobodys'" in done.stdout


async def test_a_worker_is_seen(start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await start_worker(ScriptedAdapter())
    monkeypatch.setenv("AI_TASK_QUEUE", worker.task_queue)
    code, checks = await asyncio.to_thread(temporal_and_worker)
    assert (code, checks["worker"]["status"]) == (0, "ok")


def test_a_namespace_that_is_not_there_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "nowhere")
    code, checks = temporal_and_worker()
    assert (code, checks["Temporal"]["status"], checks["worker"]) == (1, "problem", None)
    assert checks["Temporal"]["found"].endswith("has no namespace 'nowhere'")
    mend = "`temporal operator namespace create --namespace nowhere`"
    assert checks["Temporal"]["mend"].startswith(mend)


def test_a_namespace_without_our_search_attributes_is_mended_by_the_command_that_is_shown(
    temporal: DevServerDescription, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_temporal(*arguments: str) -> None:
        binary = Path(sysconfig.get_path("scripts")) / "temporal"
        command = [str(binary), *arguments, "--address", temporal.target]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    run_temporal("operator", "namespace", "create", "--namespace", "bare")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "bare")
    code, checks = temporal_and_worker()
    assert (code, checks["Temporal"]["status"]) == (1, "problem")
    assert "PipelineName" in checks["Temporal"]["found"]
    program, *arguments = checks["Temporal"]["mend"].strip("`").split()
    assert program == "temporal"
    run_temporal(*arguments)
    code, checks = temporal_and_worker()
    assert (code, checks["Temporal"]["status"]) == (0, "ok")
