from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from tests.conftest import StartWorker, serve_api
from tests.relay import Relay
from tests.scripted import Hang, ScriptedAdapter

from devserver import DevServerDescription, free_port
from settings import Settings

Execute = Callable[..., Awaitable[str]]


@pytest.fixture
def hang() -> Hang:
    return Hang()


@pytest.fixture
def execute(api: httpx2.AsyncClient) -> Execute:
    """Start `pii_detection` and return the execution's id."""

    async def start(**fields: Any) -> str:
        body = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}}
        answer = await api.post("/execute", json=body | fields)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["execution_id"])

    return start


@pytest.fixture
async def working(start_worker: StartWorker) -> ScriptedAdapter:
    """A worker whose provider answers at once."""
    adapter = ScriptedAdapter()
    await start_worker(adapter)
    return adapter


@dataclass(frozen=True, slots=True)
class Remote:
    """An API whose way to Temporal can be cut."""

    api: httpx2.AsyncClient
    relay: Relay


@pytest.fixture
async def remote(
    temporal: DevServerDescription, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Remote]:
    async with Relay(temporal.target, free_port()) as relay:
        monkeypatch.setenv("TEMPORAL_ADDRESS", relay.address)
        async with serve_api(settings) as api:
            yield Remote(api, relay)


@pytest.fixture
def restart(settings: Settings) -> Callable[[], Any]:
    """Serve the API once more, as a process that is started again would."""
    return asynccontextmanager(lambda: _served(settings))


async def _served(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with serve_api(settings) as api:
        yield api
