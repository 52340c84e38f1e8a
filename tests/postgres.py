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
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
    """

    folder: Path
    port: int
    process: subprocess.Popen[Any]
    _numbers: Iterator[int] = field(default_factory=partial(count, 1))

    def url(self, database: str, *, user: str = USER, password: str = PASSWORD) -> str:
        return f"postgresql+asyncpg://{user}:{password}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """Make a database and yield its URL; it is dropped at the end."""
        name = f"test_{next(self._numbers)}"
        template = _TEMPLATE if migrated else "template0"
        self.run(f"CREATE DATABASE {name} OWNER {USER} TEMPLATE {template}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, *statements: str, database: str = "postgres") -> Rows:
        """Run statements as the administrator, each for itself; returns the last one's rows."""
        return _run_apart(self._run(database, statements))

    async def _run(self, database: str, statements: tuple[str, ...]) -> Rows:
        connection = await asyncpg.connect(
            host=str(self.folder),
            port=self.port,
            user=_ADMIN,
            database=database,
            server_settings={"statement_timeout": "0"},
        )
        try:
            found = [await connection.fetch(statement) for statement in statements]
        finally:
            await connection.close()
        return [tuple(row) for row in found[-1]]


@contextmanager
def postgres_server(log: Path) -> Iterator[PostgresServer]:
    """Run a server until the block ends; its data goes with it.

    Args:
        log: Where its log goes.
    """
    binaries = _binaries()
    options = child_options() | _identity()
    with tempfile.TemporaryDirectory(prefix="perdure-postgres-") as name, log.open("wb") as output:
        folder = Path(name)
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
            server = PostgresServer(folder, port, process)
            wait_until(partial(_answers, server), "PostgreSQL answers", 30)
            server.run(
                f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'",
                f"CREATE DATABASE {_TEMPLATE} OWNER {USER}",
            )
            _run_apart(prepare_database(server.url(_TEMPLATE)))
            yield server
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


def _run_apart(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine in a thread of its own: the caller's may have a loop already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()
