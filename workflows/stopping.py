"""When a run must stop: it was cancelled, its time is up, or a step has failed.

The interpreter is never interrupted where it stands. An interruption could hit it between an answer
that is in history already and the moment in which it takes note of it, and what the workflow
believes would no longer be what its history says. Instead the open activities are asked to end,
and the interpreter looks here before every new command. Two signs, the cancellation and the time,
are set before any of our code runs in a workflow task, so that nothing new begins in the very task
in which one of them arrives. The third is a step that the run can't do without: what runs beside it
is asked to end.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from activities.types import ErrorInfo

_Result = TypeVar("_Result")
TURNS = 10
"""Of the event loop, within which whatever a workflow task brought has reached who waits for it."""


class Stopped(Exception):
    """The run must not go on."""

    def __init__(self, error: ErrorInfo, *, cancelled: bool) -> None:
        """Take the run's error, and whether somebody asked for it."""
        super().__init__(error.message)
        self.error = error
        self.cancelled = cancelled


class Stopping:
    """Knows whether to stop, and which activities are open.

    Attributes:
        deadline: When the run's time is up.
    """

    def __init__(self, timeout: float) -> None:
        """Take the run's timeout in seconds, which counts from now."""
        self._timeout = timeout
        self.deadline: datetime = workflow.now() + timedelta(seconds=timeout)
        self._open: list[workflow.ActivityHandle[Any]] = []
        self._failed: ErrorInfo | None = None
        self._around: Stopping | None = None

    @classmethod
    def within(cls, around: "Stopping") -> "Stopping":
        """Return one for a part of the run, which may have to stop by itself."""
        part = cls(around._timeout)  # noqa: SLF001 - our own
        part.deadline = around.deadline
        part._around = around
        return part

    def give_up(self, error: ErrorInfo) -> None:
        """Stop the run for a step that has failed; the first one counts."""
        self._failed = self._failed or error

    def check(self) -> None:
        """Look before a new command.

        Raises:
            Stopped: There must be none.
        """
        if self._around is not None:
            self._around.check()
        reason = workflow.cancellation_reason()
        if reason is not None:
            message = f"The run was cancelled: {reason}." if reason else "The run was cancelled."
            raise Stopped(ErrorInfo(code="cancelled", message=message), cancelled=True)
        if workflow.now() >= self.deadline:
            message = f"The run took longer than {self._timeout:g} s."
            raise Stopped(ErrorInfo(code="timed_out", message=message), cancelled=False)
        if self._failed is not None:
            raise Stopped(self._failed, cancelled=False)

    async def watch(self, handle: workflow.ActivityHandle[_Result]) -> _Result:
        """Wait for an activity that is aborted when the run must stop.

        Raises:
            FailureError: It failed: an `ActivityError`, of a local activity its cause.
            Stopped: It was aborted, and has recorded what it used.
        """
        self._register(handle)
        try:
            return await handle
        except FailureError as error:
            if is_cancelled_exception(error):
                self.check()
            raise
        finally:
            self._forget(handle)

    async def run_together(self, tasks: Sequence["asyncio.Task[None]"]) -> Sequence[BaseException]:
        """Wait for tasks that work side by side; when one fails the others are asked to end.

        Returns:
            What the tasks that failed by themselves raised, in the order of the tasks.
        """
        await workflow.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        raised = [task.exception() for task in tasks if task.done()]
        problems = [problem for problem in raised if problem is not None]
        if problems:
            await self.abort()
            await workflow.wait(tasks)
        return problems

    def _register(self, handle: workflow.ActivityHandle[Any]) -> None:
        self._open.append(handle)
        if self._around is not None:
            self._around._register(handle)  # noqa: SLF001 - one of us

    def _forget(self, handle: workflow.ActivityHandle[Any]) -> None:
        self._open.remove(handle)
        if self._around is not None:
            self._around._forget(handle)  # noqa: SLF001 - one of us

    async def abort(self) -> None:
        """Ask every open activity to end; does nothing while the run may go on.

        A handle that is cancelled forgets an answer that arrived in the same workflow task. It
        takes an answer a few turns of the event loop to reach the interpreter: they come first.
        """
        try:
            self.check()
        except Stopped:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            for handle in self._open:
                handle.cancel()
