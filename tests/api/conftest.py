import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from devserver import DevServerDescription, free_port
from providers.adapters.simulated import SimulatedAdapter
from providers.simulated_books import FILE_NAME, SimulatedBooks
from settings import Settings
from tests.relay import Relay
from tests.runs import StartWorker
from tests.scripted import Hang, ScriptedAdapter
from tests.serving import serve_api
from tests.shop import SIM

Execute = Callable[..., Awaitable[str]]
Restart = Callable[[], AbstractAsyncContextManager[httpx2.AsyncClient]]


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


@pytest.fixture(scope="session")
def door_url(
    temporal: DevServerDescription, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """One API for the whole session, in a thread of its own."""
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()
    urls: list[str] = []

    async def serve() -> None:
        folder = tmp_path_factory.mktemp("door")
        try:
            async with serve_api(Settings(ai_data_dir=folder, ai_task_queue="door")) as api:
                urls.append(str(api.base_url))
                ready.set()
                await stop.wait()
        finally:
            ready.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPORAL_ADDRESS", temporal.target)
        patch.setenv("TEMPORAL_NAMESPACE", temporal.namespace)
        thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
        thread.start()
        ready.wait(30)
    yield urls[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)
    loop.close()


@pytest.fixture
async def door(door_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask the shared API, which no worker works for: for what is answered at the door."""
    async with httpx2.AsyncClient(base_url=door_url, trust_env=False, timeout=30) as api:
        yield api


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
def restart(settings: Settings) -> Restart:
    """Serve the API once more, as a process that is started again would."""
    return lambda: serve_api(settings)


@pytest.fixture
async def pending(door: httpx2.AsyncClient) -> str:
    """Return the id of an execution that no worker takes up."""
    body = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}}
    return str((await door.post("/execute", json=body)).json()["execution_id"])


@pytest.fixture
async def paid(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """An API that knows a provider that charges."""
    charging = settings.model_copy(update={"ai_simulated_providers": (SIM,)})
    async with serve_api(charging) as api:
        yield api


@pytest.fixture
async def clerk(start_worker: StartWorker, settings: Settings) -> AsyncIterator[None]:
    """A worker with that provider."""
    adapter = SimulatedAdapter(SIM, SimulatedBooks(settings.ai_data_dir / FILE_NAME))
    await start_worker(adapter)
    yield
    await adapter.close()
