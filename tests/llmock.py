"""`llmock` as OpenAI, Anthropic and a gateway: a server that is not ours, with a verdict on us."""

import json
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from devserver import free_port

_DEADLINE = 30.0  # s


@dataclass(frozen=True, slots=True)
class Llmock:
    """A running server.

    Attributes:
        url: Its root.
    """

    url: str
    http: httpx2.Client

    @property
    def environment(self) -> dict[str, str]:
        """Settings that lead to it."""
        gateway = {"name": "gateway", "base_url": f"{self.url}/together/v1", "model": "llama-4"}
        return {
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "ANTHROPIC_API_KEY": "sk-ant-test",
            "ANTHROPIC_BASE_URL": f"{self.url}/anthropic",
            "AI_COMPATIBLE_PROVIDERS": json.dumps([gateway]),
        }

    def behave(self, *behaviours: dict[str, Any]) -> None:
        """Forget everything, and queue what the next requests meet."""
        self.http.post("/_llmock/reset").raise_for_status()
        if behaviours:
            body = {"behaviors": behaviours}
            self.http.post("/_llmock/scenario", json=body).raise_for_status()

    def verdict(self) -> dict[str, Any]:
        """Return what it found wrong with the requests since `behave`."""
        return dict(self.http.get("/_llmock/verdict").raise_for_status().json())


@contextmanager
def serve_llmock(folder: Path) -> Iterator[Llmock]:
    """Run the server until the block ends."""
    port = free_port()
    binary = Path(sysconfig.get_path("scripts")) / "llmock"
    arguments = ["serve", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    # Short answers, word by word: who hangs up in the middle is seen to do so.
    arguments += ["--response-style", "hello", "--stream-chunk-delay-ms", "10"]
    with (folder / "llmock.log").open("wb") as log:
        process = subprocess.Popen([binary, *arguments], stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            with httpx2.Client(base_url=url, trust_env=False, timeout=10) as http:
                _wait_until_well(http, process)
                yield Llmock(url, http)
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_well(http: httpx2.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline:
        assert process.poll() is None, "llmock ended at its start; see llmock.log"
        try:
            if http.get("/health").is_success:
                return
        except httpx2.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"llmock was not well within {_DEADLINE:g} s")
