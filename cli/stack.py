"""The embedded stack: Temporal's development server, a worker and the API, as one block.

The worker and the API are processes of their own, as in production. Whatever ends by itself is
started again: what it was doing goes on, which is the point of it all.
"""

import asyncio
import fcntl
import os
import shutil
import sys
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click
import httpx2

from api.schemas import PREFIX
from cli.errors import EXIT_USAGE, UsageMistakeError
from devserver import (
    DevServerDescription,
    DevServerError,
    child_options,
    dev_server,
    is_free,
    stop_process,
)
from settings import Settings

_HOST = "127.0.0.1"
_START_TIMEOUT = 60.0  # s
_STOP_TIMEOUT = 4.0  # s
_RESTART_DELAY = 0.5  # s
_POLL = 0.1  # s


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where things answer."""

    api: str
    ui: str
    temporal: str


@asynccontextmanager
async def stack(
    settings: Settings,
    *,
    api_port: int,
    temporal_port: int | None,
    ui_port: int | None,
    log: Path | None = None,
) -> AsyncIterator[Addresses]:
    """Run everything until the block ends; yields once all of it is healthy.

    Args:
        settings: The data folder is taken from here.
        api_port: Where the API listens.
        temporal_port: Where Temporal listens; default as `temporal-dev.yaml` says.
        ui_port: Where Temporal's UI listens, likewise.
        log: Where the processes write; default is this process's standard error.

    Raises:
        UsageMistakeError: A port or the data folder is taken, or Temporal does not come up.
    """
    description = DevServerDescription.load().with_ports(temporal_port, ui_port)
    _check_ports(
        {
            "--api-port": api_port,
            "--temporal-port": description.address.port,
            "--ui-port": description.address.ui_port,
        }
    )
    folder = settings.ai_data_dir
    with _locked(folder):
        async with AsyncExitStack() as running:
            answers = asyncio.Event()
            temporal = asyncio.create_task(_keep_temporal(description, folder, answers))
            running.push_async_callback(_stop, [temporal])
            await _first(answers.wait(), temporal)
            environment = _environment(folder, description)
            output = running.enter_context(log.open("ab")) if log else None
            api = ["api", "--host", _HOST, "--port", str(api_port)]
            children = [
                asyncio.create_task(_keep_running(["worker"], environment, output)),
                asyncio.create_task(_keep_running(api, environment, output)),
            ]
            running.push_async_callback(_stop, children)
            address = f"http://{_HOST}:{api_port}"
            await _healthy(address, children)
            yield Addresses(api=address, ui=description.ui_url, temporal=description.target)


def _check_ports(ports: dict[str, int]) -> None:
    for option, port in ports.items():
        same = [other for other in ports if ports[other] == port and other != option]
        if same:
            raise UsageMistakeError(f"{option} and {same[0]} are both {port}: choose two ports.")
        if not is_free(_HOST, port):
            raise UsageMistakeError(
                f"Port {port} is taken: stop what uses it, or choose another with {option}."
            )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageMistakeError(
                f"The data folder {folder} is in use by another stack: "
                "stop it, or choose another folder with --data-dir."
            ) from None
        yield


def _environment(folder: Path, description: DevServerDescription) -> dict[str, str]:
    metrics = folder / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir()
    return {
        **os.environ,
        "AI_DATA_DIR": str(folder),
        "AI_METRICS_PORT": "0",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "TEMPORAL_ADDRESS": description.target,
        "TEMPORAL_NAMESPACE": description.namespace,
    }


async def _first(ready: Coroutine[Any, Any, Any], running: asyncio.Task[None]) -> None:
    """Wait until something is ready, or what should make it so has failed."""
    waiting = asyncio.create_task(ready)
    try:
        await asyncio.wait([waiting, running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if running.done():
        running.result()


async def _keep_temporal(
    description: DevServerDescription, folder: Path, answers: asyncio.Event
) -> None:
    """Run Temporal, again when it ends, until cancelled."""
    while True:
        server = dev_server(
            description, database=folder / "temporal.db", log=folder / "temporal.log"
        )
        try:
            async with server as process:
                answers.set()
                code = await process.wait()
        except DevServerError as error:
            raise UsageMistakeError(str(error)) from None
        click.echo(f"Temporal ended ({code}), starting it again", err=True)
        await asyncio.sleep(_RESTART_DELAY)


async def _keep_running(
    arguments: list[str], environment: dict[str, str], output: IO[bytes] | None
) -> None:
    """Run one of our own processes, again when it ends, until cancelled."""
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cli",
            *arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **child_options(),
        )
        try:
            code = await process.wait()
        finally:
            await stop_process(process, _STOP_TIMEOUT)
        if code == EXIT_USAGE:
            raise UsageMistakeError(f"The {arguments[0]} process can't start; it says why above.")
        click.echo(f"the {arguments[0]} process ended ({code}), starting it again", err=True)
        await asyncio.sleep(_RESTART_DELAY)


async def _healthy(address: str, children: list[asyncio.Task[None]]) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START_TIMEOUT
    async with httpx2.AsyncClient(base_url=address, trust_env=False) as client:
        while loop.time() < deadline:
            for child in children:
                if child.done():
                    child.result()
            try:
                if (await client.get(f"{PREFIX}/health")).is_success:
                    return
            except httpx2.TransportError:
                pass
            await asyncio.sleep(_POLL)
    raise UsageMistakeError(f"The API was not healthy within {_START_TIMEOUT:g} s.")


async def _stop(children: list[asyncio.Task[None]]) -> None:
    for child in children:
        child.cancel()
    await asyncio.gather(*children, return_exceptions=True)
