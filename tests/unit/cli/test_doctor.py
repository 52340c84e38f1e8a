"""`perdure doctor` where Temporal is not; with it, see tests/workflow/test_doctor.py."""

import json
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.responses import JSONResponse

from cli.figures import ABSENT
from tests.fake_vendor import FakeVendor
from tests.unit.cli.fake_api import Fake
from tests.unit.cli.surroundings import (
    answer_ready,
    run_perdure,
    server_at,
    surroundings,
    vendor_in_a_thread,
)


@pytest.fixture(autouse=True)
def _nothing_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unused_url: str
) -> Iterator[None]:
    with surroundings(tmp_path, monkeypatch):
        monkeypatch.setenv("TEMPORAL_ADDRESS", unused_url.removeprefix("http://"))
        monkeypatch.delenv("PERDURE_API_URL", raising=False)
        yield


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    with vendor_in_a_thread() as vendor:
        yield vendor


def examine(*options: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code, and the checks by their names."""
    done = run_perdure("doctor", "--json", *options)
    body = json.loads(done.stdout)
    assert body["ok"] == (done.exit_code == 0)
    return done.exit_code, {check["name"]: check for check in body["checks"]}


def test_every_line_has_a_mark_and_what_is_missing_has_a_remedy() -> None:
    done = run_perdure("doctor")
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert lines[-1] == "1 problem."
    names = [(*line.split(), "", "")[1] for line in lines]
    marks = {name: line.split()[0] for name, line in zip(names, lines, strict=True)}
    assert marks["perdure"] == marks["settings"] == marks["data"] == marks["database"] == "✓"
    assert marks["local"] == "✓"
    assert marks["openai"] == marks["capabilities"] == marks["API"] == ABSENT
    assert marks["Temporal"] == "✗"
    below = {name: lines[index + 1].strip() for index, name in enumerate(names[:-1])}
    assert below["openai"] == "Set OPENAI_API_KEY to enable it."
    assert below["Temporal"].startswith("Start it, or set TEMPORAL_ADDRESS to where it is.")
    assert below["API"].startswith("Start it with `perdure dev`, or point --api-url")


def test_nothing_is_made(tmp_path: Path) -> None:
    examine()
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_setting_is_a_line_and_the_rest_is_still_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AI_METRICS_PORT", "often")
    code, checks = examine()
    assert (code, checks["settings"]["status"]) == (1, "problem")
    assert checks["settings"]["found"].startswith("AI_METRICS_PORT: ")
    assert checks["settings"]["mend"] == "AI_METRICS_PORT=9464"
    assert checks["Temporal"]["status"] == "problem"
    assert "local" not in checks


def test_a_folder_that_can_not_be_made_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("AI_DATA_DIR", str(tmp_path / "file" / "data"))
    _, checks = examine()
    assert checks["data folder"]["status"] == "problem"
    assert "AI_DATA_DIR" in checks["data folder"]["mend"]


def test_a_database_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / ".perdure" / "perdure.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
    connection.close()
    before = path.read_bytes()
    _, checks = examine()
    assert (checks["database"]["status"], path.read_bytes()) == ("ok", before)
    assert checks["database"]["found"] == f"{path}, at migration 0001"


def test_a_database_that_is_none_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / ".perdure" / "perdure.db"
    path.parent.mkdir()
    path.write_bytes(b"no database" * 100)
    code, checks = examine()
    assert (code, checks["database"]["status"]) == (1, "problem")
    assert "not a database" in checks["database"]["found"]
    assert "AI_DATABASE_URL" in checks["database"]["mend"]


def test_a_provider_that_a_setting_asks_for_is_a_problem_without_its_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entry = {"name": "vllm", "base_url": "http://x/v1", "model": "m", "api_key_env": "VLLM_KEY"}
    monkeypatch.setenv("AI_COMPATIBLE_PROVIDERS", json.dumps([entry]))
    monkeypatch.delenv("VLLM_KEY", raising=False)
    _, checks = examine()
    assert checks["vllm"] == {
        "name": "vllm",
        "status": "problem",
        "found": "not available",
        "mend": "Set VLLM_KEY to enable it.",
    }


def test_a_key_makes_a_provider_well_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-never-shown")
    _, checks = examine("--no-call")
    assert (checks["anthropic"]["status"], checks["anthropic"]["found"]) == ("ok", "4 offers")
    assert "capabilities" not in checks
    assert "never-shown" not in str(checks)


def test_a_port_that_is_taken_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("AI_METRICS_PORT", str(port))
        _, checks = examine()
    assert checks["ports"]["status"] == "note"
    assert f"{port} (metrics)" in checks["ports"]["found"]
    assert "AI_METRICS_PORT" in checks["ports"]["mend"]


UNWELL = {
    "status": "unavailable",
    "components": {
        "database": {"status": "ok", "detail": None},
        "workers": {"status": "unavailable", "detail": "no worker polls the task queue 'perdure'"},
    },
}


def test_an_api_that_is_not_well_says_why(fake: Fake, url: str) -> None:
    fake.answers["GET /health"] = [JSONResponse(UNWELL, 503)]
    code, checks = examine("--api-url", url)
    assert code == 1
    assert checks["API"]["status"] == "problem"
    reason = "workers: no worker polls the task queue 'perdure'"
    assert checks["API"]["found"] == f"{url} is not well: {reason}"


def test_an_api_that_is_well_is_a_line(fake: Fake, url: str) -> None:
    fake.answers["GET /health"] = [JSONResponse({"status": "ok", "components": {}})]
    _, checks = examine("--api-url", url)
    assert (checks["API"]["status"], checks["API"]["found"]) == ("ok", f"{url} answers")


def test_an_api_that_somebody_names_has_to_be_there(
    unused_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERDURE_API_URL", unused_url)
    _, checks = examine()
    assert checks["API"]["status"] == "problem"


def test_a_provider_with_a_key_is_called_once_and_its_cost_told(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = {"capabilities": ["pii_redaction", "summarization", "llm_generation"]}
    monkeypatch.setenv("AI_COMPATIBLE_PROVIDERS", server_at(vendor, **every))
    answer_ready(vendor)
    lines = run_perdure("doctor").stdout.splitlines()
    (call,) = [line for line in lines if line.endswith("  $0.0001255")]
    assert call.split()[:2] == ["✓", "llm_generation"]
    assert lines[-2:] == ["the calls cost $0.0001255", "1 problem."]
    assert len(vendor.asked) == 1


def test_a_key_that_does_not_work_is_a_problem_with_its_remedy(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-never-shown")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", vendor.url)
    error = {"type": "authentication_error", "message": "sk-ant-never-shown is wrong"}
    vendor.answer(401, {"type": "error", "error": error})
    done = run_perdure("doctor", "--json")
    (call,) = json.loads(done.stdout)["calls"]
    assert done.exit_code == 1
    assert (call["provider"], call["works"], call["cost_usd"]) == ("anthropic", False, "0")
    assert call["mend"] == "Check the key, and that it may use this model."
    assert "never-shown" not in done.output


def test_nobody_is_called_who_is_not_to_be(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_COMPATIBLE_PROVIDERS", server_at(vendor))
    _, checks = examine("--no-call")
    assert (checks["vllm"]["status"], vendor.asked) == ("ok", [])


def test_calls_of_every_offer_say_what_they_cost_together(
    vendor: FakeVendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AI_COMPATIBLE_PROVIDERS", server_at(vendor))
    answer_ready(vendor)
    lines = run_perdure("doctor", "--call").stdout.splitlines()
    assert any(line.endswith("  $0.0001255") for line in lines)
    assert [line for line in lines if line in {"local", "vllm"}] == ["local", "vllm"]
    assert lines[-2:] == ["the calls cost $0.0001255", "1 problem."]
    assert sum(line.startswith("  ✓ ") and line.endswith("  $0") for line in lines) == 5
    assert len(vendor.asked) == 1
