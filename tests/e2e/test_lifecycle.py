"""Start, stop, start again."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from settings import ROOT
from tests.product import PERDURE, Product, clean_environment, descendants, perdure_dev


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_everything_stops_cleanly_within_five_seconds(tmp_path: Path, number: int) -> None:
    with perdure_dev(tmp_path) as product:
        below = [pid for pid, _ in descendants(product.process.pid)]
        begun = time.monotonic()
        product.process.send_signal(number)
        code = product.process.wait(timeout=15)
        assert time.monotonic() - begun < 5
    assert code == 0
    assert [pid for pid in below if Path(f"/proc/{pid}").exists()] == []
    assert "Traceback" not in (tmp_path / "dev.log").read_text()


def test_ctrl_c_with_a_call_open_stops_within_five_seconds(tmp_path: Path) -> None:
    with perdure_dev(tmp_path) as product:
        product.execute(product.upload(ROOT / "examples" / "support_call.flac"))
        begun = time.monotonic()
        product.process.send_signal(signal.SIGINT)
        assert product.process.wait(timeout=15) == 0
        assert time.monotonic() - begun < 5


def test_a_run_survives_a_restart_of_everything(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    with perdure_dev(tmp_path / "first") as product:
        execution_id = product.execute(product.upload(ROOT / "examples" / "support_call.flac"))
    with perdure_dev(tmp_path / "second", data=tmp_path / "first" / "data") as product:
        assert product.result(execution_id)["success"]


def test_a_second_start_on_taken_ports_is_one_clear_line(product: Product, tmp_path: Path) -> None:
    ports = (product.api_port, product.temporal_port, product.ui_port)
    options = ("--api-port", "--temporal-port", "--ui-port")
    arguments = [str(part) for pair in zip(options, ports, strict=True) for part in pair]
    ended = subprocess.run(
        [*PERDURE, "dev", *arguments, "--data-dir", str(tmp_path / "data")],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert f"error: Port {product.api_port} is taken" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_start_on_the_same_data_is_one_clear_line(
    product: Product, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [*PERDURE, "demo", "--data-dir", str(product.data)],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert "is in use by another stack" in ended.stderr


def test_the_demo_prints_the_analysis_and_its_cost_and_stops_everything(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*PERDURE, "demo", "--data-dir", str(tmp_path / "data")],
        env=clean_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    for part in ("Transcript", "[PHONE_NUMBER]", "Sentiment", "Summary", "$0.00", "completed"):
        assert part in output
    assert "Traceback" not in output


def test_a_bad_setting_stops_the_start_with_one_line(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*PERDURE, "worker"],
        env=clean_environment(tmp_path) | {"AI_LOG_FORMAT": "xml"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: AI_LOG_FORMAT: ")
    assert "Example: AI_LOG_FORMAT=json" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_the_metrics_of_a_run_are_on_the_apis_page(product: Product) -> None:
    answer = product.http.post(
        "/execute",
        json={"pipeline_name": "pii_detection", "input_data": {"text": "call Jane"}},
        headers={"Prefer": "wait=30"},
    )
    assert answer.json()["success"]
    page = product.http.get(f"{product.url}/metrics").text
    assert 'ai_pipeline_executions_total{pipeline_name="pii_detection",status="success"}' in page
