"""Whose turn it is to write to a SQLite file.

SQLite has one writer at a time. Whoever waits asks again and again, ten times a second in the end,
and who asks first when it is free is next: of a few busy processes some wait for seconds, and then
give up. So writers queue up before they ask: within a process in their order, and between processes
at a gate. Who waits for its turn keeps the gate, so that the process that has just written can't be
the next one again. On a quiet file this costs some microseconds.

It is about fairness only. Where files can't be locked, or behind a process that was stopped,
writers go on after a while and are in SQLite's hands.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    _CAN_LOCK = False
else:
    _CAN_LOCK = True

_PATIENCE = 5.0  # s; SQLite's own comes after it
_AGAIN = 0.001  # s


class Turns:
    """Lets the writers of one engine through, one at a time."""

    def __init__(self, database: str | None, patience: float = _PATIENCE) -> None:
        """Take the database's file, and how long to wait for other processes, in seconds."""
        self._patience = patience
        is_file = database and not database.startswith((":memory:", "file:"))
        self._database = database if is_file and _CAN_LOCK else None
        self._here = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn, and keep it until the block ends."""
        async with self._here:
            with ExitStack() as kept:
                if self._database is not None:
                    with suppress(OSError, TimeoutError):
                        async with asyncio.timeout(self._patience):
                            await _pass_the_gate(self._database, kept)
                yield


async def _pass_the_gate(database: str, kept: ExitStack) -> None:
    """Lock the file that stands for the turn; it is free again when it is closed."""
    with _opened(f"{database}-gate") as gate:
        await _lock(gate)
        await _lock(kept.enter_context(_opened(f"{database}-turn")))


@contextmanager
def _opened(path: str) -> Iterator[IO[Any]]:
    with Path(path).open("ab") as file:
        yield file


async def _lock(file: IO[Any]) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(_AGAIN)
        else:
            return
