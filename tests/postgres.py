"""A real PostgreSQL server for the tests, from the system's own binaries.

It refuses to run as root, so then it runs as `postgres`, which the system's package brings. Its
defaults are odd on purpose: what we need of a session we have to ask for. Each test gets a database
of its own, copied from one that was migrated once.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from devserver import child_options, free_port
from ledger.database import prepare_database
from tests.product import wait_until

_Result = TypeVar("_Result")
Rows = Sequence[tuple[Any, ...]]

DATABASES = ("sqlite", "postgresql")
USER, PASSWORD = "perdure", "s3cret"
_TEMPLATE = "migrated"
_ADMIN = "postgres"
_SETTINGS = {
    # Nothing here outlives the tests.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "max_connections": "200",
    # What an administrator may have set.
    "timezone": "America/St_Johns",
    "datestyle": "SQL, DMY",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "1",
}


def on_both_databases(metafunc: pytest.Metafunc) -> None:
    """Run every test that talks to a database on both: as `pytest_generate_tests`."""
    for fixture in ("database_url", "new_database_url"):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, DATABASES, indirect=True)


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server on 127.0.0.1.

    Attributes:
        folder: Where its socket is, too.
        loop: Runs in a thread of its own: the tests' threads may have one already.
    """

    folder: Path
    port: int
    process: subprocess.Popen[Any]
    loop: asyncio.AbstractEventLoop
    _sessions: list[Any] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=partial(count, 1))

    def url(self, database: str, *, user: str = USER, password: str = PASSWORD) -> str:
        return f"postgresql+asyncpg://{user}:{password}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """Make a database and yield its URL; it is dropped at the end."""
        name = f"test_{next(self._numbers)}"
        template = _TEMPLATE if migrated else "template0"
        # To copy files is quickest where nothing has to reach the disk.
        options = f"OWNER {USER} TEMPLATE {template} STRATEGY FILE_COPY"
        self.run(f"CREATE DATABASE {name} {options}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, *statements: str, database: str | None = None) -> Rows:
        """Run statements as the administrator, each for itself; returns the last one's rows.

        Args:
            statements: Any.
            database: Where; in the one of the server itself if not given.
        """
        running = (
            self._run_anywhere(statements) if database is None else self._run(database, statements)
        )
        return asyncio.run_coroutine_threadsafe(running, self.loop).result(60)

    def close(self) -> None:
        """End the administrator's session."""
        for session in self._sessions:
            asyncio.run_coroutine_threadsafe(session.close(), self.loop).result(10)

    async def _run_anywhere(self, statements: Sequence[str]) -> Rows:
        if not self._sessions:
            self._sessions.append(await self._connect(_ADMIN))
        return await _fetch(self._sessions[0], statements)

    async def _run(self, database: str, statements: Sequence[str]) -> Rows:
        session = await self._connect(database)
        try:
            return await _fetch(session, statements)
        finally:
            await session.close()

    async def _connect(self, database: str) -> Any:
        return await asyncpg.connect(
            host=str(self.folder),
            port=self.port,
            user=_ADMIN,
            database=database,
            server_settings={"statement_timeout": "0"},
        )


@contextmanager
def postgres_server(log: Path) -> Iterator[PostgresServer]:
    """Run a server until the block ends; its data goes with it.

    Args:
        log: Where its log goes.
    """
    binaries = _binaries()
    options = child_options() | _identity()
    with ExitStack() as stack:
        output = stack.enter_context(log.open("wb"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-postgres-")))
        loop = stack.enter_context(_loop_apart())
        _give_away(folder, options)
        data, port = f"{folder}/data", free_port()
        initialise = [f"{binaries}/initdb", "--pgdata", data, "--username", _ADMIN]
        initialise += ["--auth-local", "trust", "--auth-host", "scram-sha-256"]
        initialise += ["--encoding", "UTF8", "--no-locale", "--no-sync"]
        subprocess.run(initialise, check=True, stdout=output, stderr=output, **options)
        serve = [f"{binaries}/postgres", "-D", data, "-k", str(folder), "-p", str(port)]
        for setting, value in _SETTINGS.items():
            serve += ["-c", f"{setting}={value}"]
        process = subprocess.Popen(serve, stdout=output, stderr=output, **options)
        try:
            server = PostgresServer(folder, port, process, loop)
            wait_until(partial(_answers, server), "PostgreSQL answers", 30)
            server.run(
                f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'",
                f"CREATE DATABASE {_TEMPLATE} OWNER {USER}",
            )
            run_apart(prepare_database(server.url(_TEMPLATE)))
            yield server
            server.close()
        finally:
            process.send_signal(signal.SIGINT)  # ends sessions that are still there
            process.wait(timeout=20)


def _binaries() -> Path:
    """Find the newest server's programs; skips the test where there are none."""
    programs = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if programs:
        return max(programs, key=lambda path: float(path.parts[-3])).parent
    if found := shutil.which("initdb"):
        return Path(found).parent
    pytest.skip("PostgreSQL is not installed: apt-get install postgresql")


def _identity() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres'")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _give_away(folder: Path, options: dict[str, Any]) -> None:
    if "user" in options:
        os.chown(folder, options["user"], options["group"])


def _answers(server: PostgresServer) -> bool:
    assert server.process.poll() is None, "PostgreSQL ended at its start; see its log"
    try:
        server.run("SELECT 1")
    except (OSError, asyncpg.CannotConnectNowError):
        return False
    return True


async def _fetch(session: Any, statements: Sequence[str]) -> Rows:
    found = [await session.fetch(statement) for statement in statements]
    return [tuple(row) for row in found[-1]]


@contextmanager
def _loop_apart() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def run_apart(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine in a thread of its own: the caller's may have a loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
