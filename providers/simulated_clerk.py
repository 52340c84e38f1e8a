"""Writes the books of simulated providers on behalf of an event loop."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from typing import TypeVar

from providers.errors import ProviderFault
from providers.simulated_books import (
    Arrival,
    BooksBusy,
    Ending,
    Request,
    SimulatedBooks,
    Verdict,
)
from providers.types import Usage

PATIENCE = 10.0
"""Seconds for which the books may be busy before a request fails."""

_PAUSE = 0.02  # s

T = TypeVar("T")


class Clerk:
    """Writes in a thread of its own, where nobody else's work stands before it.

    A try that has begun is finished, whatever happens: who cancels would not know otherwise whether
    something was written. So a cancellation is handed back, beside what was written.
    """

    def __init__(self, books: SimulatedBooks) -> None:
        """Take the books, which other clerks may write as well."""
        self._books = books
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="simulated-books")

    async def take(
        self, arrival: Arrival, decide: Callable[[int], Verdict]
    ) -> tuple[Request, asyncio.CancelledError | None]:
        """Note a request; see `SimulatedBooks.take`.

        Raises:
            ProviderFault: Nothing could be noted. Retried.
            asyncio.CancelledError: Nothing was noted.
        """
        return await self._write(
            lambda: self._books.take(arrival, decide), PATIENCE, is_dropped=True
        )

    async def end(
        self,
        request: Request,
        kind: Ending,
        usage: Usage,
        cost_usd: Decimal,
        patience: float = PATIENCE,
    ) -> asyncio.CancelledError | None:
        """Note how a sale ended; see `SimulatedBooks.end`. Raises the same."""
        _, cancellation = await self._write(
            lambda: self._books.end(request, kind, usage, cost_usd), patience
        )
        return cancellation

    async def close(self) -> None:
        """Finish what has begun and close the books."""
        await asyncio.to_thread(self._thread.shutdown)
        self._books.close()

    async def _write(
        self, job: Callable[[], T], patience: float, *, is_dropped: bool = False
    ) -> tuple[T, asyncio.CancelledError | None]:
        """Do a job; one that is dropped when it is cancelled before it begins may never be done."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        while True:
            submitted = self._thread.submit(job)
            cancellation = await _wait_for(submitted, is_dropped=is_dropped)
            if cancellation is not None and submitted.cancelled():
                raise cancellation
            try:
                return submitted.result(), cancellation
            except BooksBusy:
                if cancellation is not None:
                    raise cancellation from None
                if loop.time() >= deadline:
                    raise ProviderFault("The books of simulated providers are busy.") from None
            except (sqlite3.Error, OSError) as error:
                kind = type(error).__name__
                raise ProviderFault(
                    f"The books of simulated providers can't be written: {kind}."
                ) from None
            await asyncio.sleep(_PAUSE)


async def _wait_for(submitted: Future[T], *, is_dropped: bool) -> asyncio.CancelledError | None:
    """Wait to the end; return the cancellation that came meanwhile."""
    cancellation, future = None, asyncio.wrap_future(submitted)
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancellation = error
            if is_dropped:
                submitted.cancel()
    if not future.cancelled():
        future.exception()  # it is read from `submitted`
    return cancellation
