"""A PostgreSQL server for benchmarks, from the system's own binaries and with its own defaults."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.result import CannotMeasure
from devserver import child_options, free_port

_USER = "perdure"
_DEADLINE = 30.0  # s


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server until the block ends; yields the URL of an empty database.

    Raises:
        CannotMeasure: It is not installed, or does not start.
    """
    programs, options = _programs(), child_options() | _identity()
    with tempfile.TemporaryDirectory(prefix="perdure-postgres-") as folder:
        if "user" in options:
            os.chown(folder, options["user"], options["group"])
        data, port = f"{folder}/data", free_port()
        begin = _start(programs / "initdb", "-D", data, "-U", _USER, "--auth", "trust", **options)
        if begin.wait(_DEADLINE):
            raise CannotMeasure("PostgreSQL can't be set up: initdb failed")
        server = _start(programs / "postgres", "-D", data, "-k", folder, "-p", str(port), **options)
        try:
            _wait(programs, port)
            yield f"postgresql+asyncpg://{_USER}@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # ends sessions that are still there
            server.wait(_DEADLINE)


def _start(program: Path, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
    command, silent = [str(program), *arguments], subprocess.DEVNULL
    return subprocess.Popen(command, stdout=silent, stderr=silent, **options)  # noqa: S603


def _programs() -> Path:
    """Find the newest server's programs."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: float(path.parts[-3])).parent
    elsewhere = shutil.which("initdb")
    if elsewhere is None:
        raise CannotMeasure("PostgreSQL is not installed: apt-get install postgresql")
    return Path(elsewhere).parent


def _identity() -> dict[str, Any]:
    """Say as whom it runs: it refuses to do so as root."""
    if os.getuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        raise CannotMeasure(
            "PostgreSQL does not run as root; there is no user 'postgres'"
        ) from None
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _wait(programs: Path, port: int) -> None:
    end = time.monotonic() + _DEADLINE
    while _start(programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)).wait(_DEADLINE):
        if time.monotonic() > end:
            raise CannotMeasure("PostgreSQL does not start")
        time.sleep(0.05)
