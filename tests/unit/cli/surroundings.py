"""What commands meet that call providers: no settings but a test's own, and a vendor."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from cli.main import main
from settings import Settings
from tests.fake_vendor import FakeVendor, serve_fake_vendor

USAGE = {"prompt_tokens": 1000, "completion_tokens": 51, "total_tokens": 1051}


@contextmanager
def surroundings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run commands in this folder with no settings; what they do to logging is undone."""
    for name in (*Settings.model_fields, "temporal_address", "temporal_namespace"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(folder)
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**config)
    root.handlers[:] = handlers
    root.setLevel(level)


@contextmanager
def vendor_in_a_thread() -> Iterator[FakeVendor]:
    """Serve a vendor while the test's own thread runs a command."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    serving = serve_fake_vendor()
    try:
        yield asyncio.run_coroutine_threadsafe(serving.__aenter__(), loop).result(20)
    finally:
        asyncio.run_coroutine_threadsafe(serving.__aexit__(None, None, None), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


def server_at(vendor: FakeVendor, **fields: Any) -> str:
    """Write the setting that makes a vendor the provider `vllm`."""
    entry = {"name": "vllm", "base_url": f"{vendor.url}/v1", "model": "qwen3", **fields}
    prices = {"input_usd_per_mtok": "0.10", "output_usd_per_mtok": "0.50"}
    return json.dumps([{**prices, "capabilities": ["llm_generation"], **entry}])


def answer_ready(vendor: FakeVendor, usage: dict[str, int] | None = USAGE) -> None:
    """Let the vendor answer `ready`."""
    choice = {"index": 0, "delta": {"content": "ready"}, "finish_reason": "stop"}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "qwen3"}
    body = json.dumps({**chunk, "choices": [choice], "usage": usage})
    vendor.stream(f"data: {body}\n\n".encode(), b"data: [DONE]\n\n")


def run_perdure(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)
