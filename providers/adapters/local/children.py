"""Child processes that do the heavy work, kept and reused.

Processes, not threads: the recogniser holds the interpreter lock, a hostile recording can crash
a decoder, and only a process can be cancelled at once. A pool starts children when they are
needed, never more than `size`, keeps idle ones (loading a model takes longer than a short call),
and kills the one whose caller is cancelled.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from typing import Any, Self

from providers.adapters.base import ReportProgress
from providers.errors import PROVIDER_ERRORS, ProviderFault

MAX_LINE_BYTES = 128 * 1024 * 1024
"""Longest answer of a child; a text of 1 MB full of matches needs about 10 MB."""

_ERRORS = {error.code: error for error in PROVIDER_ERRORS}
_PASSED_ON = ("LANG", "LC_ALL", "PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR")
_ROOT = Path(__file__).resolve().parents[3]


class ChildPool:
    """Children that run one module, at most `size` at a time."""

    def __init__(self, module: str, size: int) -> None:
        """Start nothing yet; `module` is an entry point that calls `child_loop.serve`."""
        self._module = module
        self.size = size
        self._slots = asyncio.Semaphore(size)
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._closed = False

    @property
    def pids(self) -> frozenset[int]:
        """Process ids of all children, idle and busy."""
        return frozenset(child.pid for child in (*self._idle, *self._busy))

    async def call(
        self, method: str, params: dict[str, Any], report_progress: ReportProgress
    ) -> dict[str, Any]:
        """Let a child answer one request.

        Raises:
            ProviderError: what the child reported, by its code.
            ProviderFault: the child ended, or its answer can't be read.
            asyncio.CancelledError: the child is dead by then.
        """
        async with self._slots:
            child = await self._take()
            self._busy.add(child)
            try:
                self._check_open()
                answer = await child.ask(method, params, report_progress)
                self._check_open()
            except BaseException:
                await child.end()
                raise
            else:
                self._idle.append(child)
            finally:
                self._busy.discard(child)
        if "error" in answer:
            error = _ERRORS.get(answer["error"]["code"], ProviderFault)
            raise error(answer["error"]["message"])
        result: dict[str, Any] = answer["result"]
        return result

    async def end_idle(self) -> None:
        """End the children that have nothing to do; the next call starts one."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(child.end() for child in idle))

    async def close(self) -> None:
        """End all children, also those at work; the pool is of no use afterwards."""
        self._closed = True
        children = [*self._idle, *self._busy]
        self._idle.clear()
        await asyncio.gather(*(child.end() for child in children))

    def _check_open(self) -> None:
        if self._closed:
            raise ProviderFault("The embedded provider is closed.")

    async def _take(self) -> "_Child":
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
            await child.end()
        return await _Child.start(self._module)


class _Child:
    """One child process and its two pipes."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, module: str) -> Self:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # nothing is imported from the working directory
                "-m",
                module,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env=_environment(),
                limit=MAX_LINE_BYTES,
                start_new_session=True,  # Ctrl-C is for the parent, which ends us in order
            )
        except OSError as error:
            raise ProviderFault(
                f"No process could be started for the embedded provider ({error.strerror})."
            ) from error
        return cls(process)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def ask(
        self, method: str, params: dict[str, Any], report_progress: ReportProgress
    ) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101 - opened with PIPE
        assert self._process.stdout is not None  # noqa: S101 - opened with PIPE
        request = json.dumps({"method": method, "params": params}).encode() + b"\n"
        try:
            self._process.stdin.write(request)
            await self._process.stdin.drain()
            while line := await self._process.stdout.readline():
                message: dict[str, Any] = json.loads(line)
                if "progress" not in message:
                    return message
                report_progress(message["progress"])
        except (ConnectionError, ValueError) as error:
            raise ProviderFault(
                "The embedded provider's process broke off or wrote what can't be read."
            ) from error
        raise ProviderFault(_obituary(await self._process.wait()))

    async def end(self) -> None:
        """Kill and reap; nothing of the child is left when this returns, cancelled or not."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        reaping = asyncio.ensure_future(self._process.wait())
        cancelled = False
        while not reaping.done():
            try:
                await asyncio.shield(reaping)
            except asyncio.CancelledError:
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError


def _environment() -> dict[str, str]:
    """What a child may see: enough to find Python and our code, no key, no secret."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    paths = [str(_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _obituary(returncode: int) -> str:
    if returncode < 0:
        cause = f"was killed by {signal.Signals(-returncode).name}"
    else:
        cause = f"ended with status {returncode}"
    return f"The embedded provider's process {cause} before it answered."
