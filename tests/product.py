"""The product as its users start it: processes, ports, signals."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from websockets.sync.client import connect

from api.schemas import PREFIX
from devserver import free_port

PERDURE = [sys.executable, "-m", "cli"]
DEADLINE = 60.0  # s


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment with an empty HOME and nothing that configures us."""
    kept = ("PATH", "LANG", "LC_ALL", "PYTHONPATH")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"HOME": str(home)}


def wait_until(condition: Callable[[], bool], what: str, deadline: float = DEADLINE) -> float:
    """Wait until a condition holds; return how many seconds it took.

    Raises:
        AssertionError: It did not within the deadline.
    """
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < deadline, f"not within {deadline:g} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - begun


@dataclass(frozen=True, slots=True)
class Product:
    """A running `perdure dev`."""

    process: subprocess.Popen[bytes]
    http: httpx2.Client
    api_port: int
    temporal_port: int
    ui_port: int
    data: Path
    environment: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    def perdure(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run another command of ours against this product."""
        environment = self.environment | {"PERDURE_API_URL": self.url}
        return subprocess.run(
            [*PERDURE, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )

    def temporal(self, *arguments: str) -> str:
        """Run Temporal's own command line against this product."""
        binary = Path(sysconfig.get_path("scripts")) / "temporal"
        address = ("--address", f"127.0.0.1:{self.temporal_port}")
        return subprocess.run(
            [binary, *arguments, *address],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout

    def upload(self, path: Path) -> str:
        answer = self.http.post("/artifacts", content=path.read_bytes())
        assert answer.status_code == 201, answer.text
        return str(answer.json()["artifact_url"])

    def execute(self, audio_url: str, pipeline: str = "call_analysis") -> str:
        answer = self.http.post(
            "/execute", json={"pipeline_name": pipeline, "input_data": {"audio_url": audio_url}}
        )
        assert answer.status_code == 202, answer.text
        return str(answer.json()["execution_id"])

    def follow(self, execution_id: str, after: str | None = None) -> list[dict[str, Any]]:
        """Receive every event over WebSocket, to the end."""
        query = f"?after={after}" if after else ""
        address = f"ws://127.0.0.1:{self.api_port}{PREFIX}/{execution_id}/events{query}"
        with connect(address, open_timeout=20) as socket:
            return [json.loads(message) for message in socket]

    def status(self, execution_id: str) -> dict[str, Any]:
        return dict(self.http.get(f"/{execution_id}").json())

    def result(self, execution_id: str) -> dict[str, Any]:
        """Wait for the result."""
        for _ in range(3):
            answer = self.http.get(f"/{execution_id}/result", params={"wait": 60})
            if answer.status_code == 200:
                return dict(answer.json())
        raise AssertionError(answer.text)

    def child(self, kind: str) -> int:
        """Return the process id of the worker or the API."""
        wait_until(lambda: len(self._children(kind)) == 1, f"the {kind} process")
        return self._children(kind)[0]

    def processes(self) -> list[str]:
        """List the command lines of everything below `perdure dev`."""
        return [command for _, command in descendants(self.process.pid)]

    def kill(self, kind: str) -> None:
        """Kill the worker or the API as the kernel would, and wait for its successor."""
        victim = self.child(kind)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: self._children(kind) not in ([], [victim]), f"another {kind}")
        wait_until(self.is_healthy, "health")

    def is_healthy(self) -> bool:
        try:
            return self.http.get("/health").status_code == 200
        except httpx2.TransportError:
            return False

    def _children(self, kind: str) -> list[int]:
        return [
            pid for pid, command in descendants(self.process.pid) if f"-m cli {kind}" in command
        ]


def descendants(root: int) -> list[tuple[int, str]]:
    """List the living processes below one, with their command lines."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if stat[0] != "Z":
                parents[int(entry.name)] = (int(stat[1]), command)
    found, level = [], {root}
    while level:
        level = {pid for pid, (parent, _) in parents.items() if parent in level}
        found += [(pid, parents[pid][1]) for pid in sorted(level)]
    return found


@contextmanager
def perdure_dev(
    folder: Path, settings: dict[str, str] | None = None, *, data: Path | None = None
) -> Iterator[Product]:
    """Start `perdure dev` as the README does, stop it as Ctrl-C does."""
    home, data = folder / "home", data or folder / "data"
    home.mkdir()
    api_port, temporal_port, ui_port = free_port(), free_port(), free_port()
    environment = clean_environment(home) | (settings or {})
    log = (folder / "dev.log").open("wb")
    process = subprocess.Popen(
        [
            *PERDURE,
            "dev",
            *("--api-port", str(api_port)),
            *("--temporal-port", str(temporal_port)),
            *("--ui-port", str(ui_port)),
            *("--data-dir", str(data)),
        ],
        env=environment,
        stdout=log,
        stderr=log,
    )
    base = f"http://127.0.0.1:{api_port}{PREFIX}"
    with log, httpx2.Client(base_url=base, trust_env=False, timeout=90) as http:
        product = Product(process, http, api_port, temporal_port, ui_port, data, environment)
        try:
            wait_until(
                lambda: process.poll() is not None or product.is_healthy(), "perdure dev is up"
            )
            assert process.poll() is None, (folder / "dev.log").read_text()
            yield product
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(timeout=15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
