"""Start, stop, start again."""

import os
import signal
import subprocess
import time
from collections import deque
from contextlib import ExitStack
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from api.schemas import PREFIX
from devserver import free_port
from settings import ROOT
from tests.product import (
    PERDURE,
    Product,
    clean_environment,
    descendants,
    perdure_dev,
    wait_until,
)


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours to its end, in a folder and with a HOME of its own."""
    return subprocess.run(
        [*PERDURE, *arguments],
        cwd=folder,
        env=clean_environment(folder) | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


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


def wait_until_read(connection: HTTPConnection) -> None:
    """Wait until the server has read the request: what it never accepted, it resets when it stops.

    Linux tells: the server's end of the connection then has an inode and nothing left to read.
    """
    ours, theirs = connection.sock.getsockname()[1], connection.sock.getpeername()[1]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, queues, *_, inode = line.split()[:10]
            ports = [int(address.rpartition(":")[2], 16) for address in (local, remote)]
            if ports == [theirs, ours] and int(inode) and not int(queues.rpartition(":")[2], 16):
                return
        time.sleep(0.01)
    raise AssertionError("The server did not read the request.")


def test_followers_do_not_hold_up_the_end_and_are_told_to_go(tmp_path: Path) -> None:
    with perdure_dev(tmp_path) as product, ExitStack() as following:
        execution_id = product.execute(product.upload(ROOT / "examples" / "support_call.flac"))
        address = f"ws://127.0.0.1:{product.api_port}{PREFIX}/{execution_id}/events"
        with connect(address) as socket:
            socket.recv()
            stream = following.enter_context(product.http.stream("GET", f"/{execution_id}/events"))
            polling = HTTPConnection("127.0.0.1", product.api_port)
            polling.request("GET", f"{PREFIX}/{execution_id}/result?wait=60")
            wait_until_read(polling)
            begun = time.monotonic()
            product.process.send_signal(signal.SIGINT)
            with pytest.raises(ConnectionClosed) as closed:
                deque(iter(partial(socket.recv, 10), None))
            assert product.process.wait(timeout=15) == 0
            assert time.monotonic() - begun < 5
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert stream.status_code == 200
        assert "workflow_completed" not in stream.read().decode()
        assert polling.getresponse().status == 202
    assert "Traceback" not in (tmp_path / "dev.log").read_text()


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
    ended = run(tmp_path, "dev", *arguments)
    assert ended.returncode == 2
    assert f"error: Port {product.api_port} is taken" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_equal_ports_are_one_clear_line(tmp_path: Path) -> None:
    port = str(free_port())
    ended = run(tmp_path, "dev", "--api-port", port, "--temporal-port", port)
    assert ended.returncode == 2
    said = f"error: --api-port and --temporal-port are both {port}: choose two ports."
    assert ended.stderr.splitlines()[-1] == said


@pytest.mark.parametrize("command", ["dev", "api", "worker"])
def test_a_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path, command: str) -> None:
    ended = run(tmp_path, command, AI_DATA_DIR="/proc/nowhere")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: AI_DATA_DIR: the folder /proc/nowhere can't be written")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["api", "worker"])
def test_a_database_that_cannot_be_opened_is_one_clear_line(
    product: Product, tmp_path: Path, command: str
) -> None:
    ended = run(
        tmp_path,
        command,
        AI_DATABASE_URL="sqlite+aiosqlite:////proc/nowhere.db",
        TEMPORAL_ADDRESS=f"127.0.0.1:{product.temporal_port}",
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("error: AI_DATABASE_URL: ")
    assert "Traceback" not in ended.stderr


def test_a_worker_without_temporal_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TEMPORAL_ADDRESS=127.0.0.1:1\n")
    ended = run(tmp_path, "worker")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: Temporal does not answer at 127.0.0.1:1: start it")
    assert len(ended.stderr.splitlines()) == 1


def test_a_second_start_on_the_same_data_is_one_clear_line(
    product: Product, tmp_path: Path
) -> None:
    ended = run(tmp_path, "demo", "--data-dir", str(product.data))
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
    ended = run(tmp_path, "worker", AI_LOG_FORMAT="xml")
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


def test_a_killed_temporal_is_started_again_and_the_run_completes(tmp_path: Path) -> None:
    with perdure_dev(tmp_path) as product:
        execution_id = product.execute(product.upload(ROOT / "examples" / "support_call.flac"))
        victim = next(
            pid for pid, name in descendants(product.process.pid) if "server start-dev" in name
        )
        os.kill(victim, signal.SIGKILL)
        wait_until(product.is_healthy, "health")
        assert product.result(execution_id)["success"]
