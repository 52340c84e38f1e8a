"""Heartbeats: liveness and progress, at a rate that is budgeted for the whole worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

# s: often enough that a call hears of its cancellation, and a watcher sees it move.
MIN_INTERVAL = 0.3
_MAX_INTERVAL = 4.0
# Heartbeats a second over all open calls: at 1,500 a second a one-step run took five times as long.
_BUDGET = 50


class Heartbeats:
    """Shares one budget of heartbeats between the open calls of a worker."""

    def __init__(self) -> None:
        """Begin with no call open."""
        self._open = 0

    @asynccontextmanager
    async def beating(self) -> AsyncIterator["Progress"]:
        """Heartbeat with the call's progress until the block ends."""
        progress = Progress()
        self._open += 1
        task = asyncio.create_task(self._beat(progress))
        try:
            yield progress
        finally:
            self._open -= 1
            task.cancel()

    async def _beat(self, progress: "Progress") -> None:
        while True:
            activity.heartbeat(progress.fraction)
            await asyncio.sleep(min(max(MIN_INTERVAL, self._open / _BUDGET), _MAX_INTERVAL))


class Progress:
    """How much of a call is done, 0 to 1; never falls."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.fraction = 0.0

    def report(self, fraction: float) -> None:
        """Take the fraction of the work that is done."""
        self.fraction = max(self.fraction, round(min(fraction, 1), 4))
