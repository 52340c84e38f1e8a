"""One example, asked of one offer: to the end, and cancelled on the way. For `contract`."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from providers.adapters.base import ProviderAdapter, ProviderAnswer, ProviderCall, ReportProgress
from providers.answering import answer_faults
from providers.errors import PROVIDER_ERRORS, ProviderError
from providers.offering import title
from providers.prices import cost_of, upper_cost_of
from providers.types import AudioFile, Offer, Usage, Value

# s: as `ProviderAdapter.call` promises; who holds up the event loop can't keep it.
_AT_ONCE = 1.0
_TICK = 0.02

_Task = asyncio.Task[ProviderAnswer]


class Trial:
    """Asks, and collects what is wrong, each fault in a sentence."""

    def __init__(
        self,
        adapter: ProviderAdapter,
        offer: Offer,
        request: Value,
        audio: AudioFile | None,
        seconds: float,
    ) -> None:
        """Take what to ask of whom, and the longest that one call may take."""
        self._adapter = adapter
        self._offer = offer
        self._request = request
        self._audio = audio
        self._seconds = seconds
        self._faults: list[str] = []

    async def ask_good(self) -> list[str]:
        """Ask what must be answered, and cancel it on the way."""
        progress: list[float] = []
        bounds = await self._bounds()
        answer = await self._ask(progress)
        if isinstance(answer, ProviderError):
            self._fault(f"a good example failed with '{answer.code}': {answer.message}")
        elif not isinstance(answer, BaseException):
            for fault in answer_faults(self._offer, self._request, answer):
                self._fault(fault)
            if isinstance(answer, ProviderAnswer):
                self._check_bounds(bounds, answer.usage)
        if not all(0 <= fraction <= 1 for fraction in progress) or progress != sorted(progress):
            self._fault(f"progress goes from 0 to 1 and never falls; it was {progress}.")
        await self._cancel_at_once()
        if progress:
            await self._cancel_at_progress()
        return self._faults

    async def ask_bad(self) -> list[str]:
        """Ask what must fail."""
        answer = await self._ask([])
        if not isinstance(answer, BaseException):
            self._fault("a bad example was answered; it must end in a ProviderError.")
        return self._faults

    async def _ask(self, progress: list[float]) -> object:
        """Ask to the end; return the answer, or what was raised."""
        before = self._request.model_copy(deep=True)
        async with self._watching_the_loop():
            task = asyncio.create_task(self._call(progress.append))
            await asyncio.wait({task}, timeout=self._seconds)
        if self._request != before:
            self._fault("the request is not the adapter's to change.")
        if not task.done():
            task.cancel()
            self._fault(f"there was no answer within {self._seconds:g} s.")
            return TimeoutError()
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, PROVIDER_ERRORS):
            self._fault(
                "only the errors of providers.errors.PROVIDER_ERRORS may be raised; it was "
                f"{type(error).__name__}: {error}."
            )
        return error or task.result()

    async def _bounds(self) -> Sequence[Usage]:
        """Ask what the call can use at most."""
        try:
            async with self._watching_the_loop(), asyncio.timeout(self._seconds):
                return await self._adapter.upper_bounds(self._to_call())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            kind = type(error).__name__
            self._fault(f"upper_bounds() must return what is known; it raised {kind}: {error}.")
            return ()

    def _check_bounds(self, bounds: Sequence[Usage], used: Usage) -> None:
        """Look whether a call cost more than its bound; one without a price can't."""
        cost, most = cost_of(self._offer, used), upper_cost_of(self._offer, bounds)
        if not bounds or cost is None:
            return
        if most is None:
            self._fault(f"upper_bounds() tells no {self._offer.cost_unit}s that can be priced.")
        elif cost > most:
            self._fault(f"the call cost {cost:f} USD, more than its upper bound of {most:f} USD.")

    async def _cancel_at_once(self) -> None:
        others = asyncio.all_tasks()
        task = asyncio.create_task(self._call(lambda _: None))
        await asyncio.sleep(0)
        await self._end(task, others, "at once", cancelled=task.cancel())

    async def _cancel_at_progress(self) -> None:
        others = asyncio.all_tasks()
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def cancel(_fraction: float) -> None:
            # Here, and not by who waits: by then a quick answer would be there.
            if not told.done():
                told.set_result(task.cancel())

        task = asyncio.create_task(self._call(cancel))
        either: set[asyncio.Future[Any]] = {task, told}
        await asyncio.wait(either, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
        cancelled = told.result() if told.done() else task.cancel()
        await self._end(task, others, "at its first progress", cancelled=cancelled)

    async def _end(
        self, task: _Task, others: Collection[_Task], when: str, *, cancelled: bool
    ) -> None:
        """See a call to its end; one that was there before its cancellation is none the worse."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _AT_ONCE
        await asyncio.wait({task}, timeout=_AT_ONCE)
        if not task.done():
            self._fault(f"a call that is cancelled {when} must end within a second; it went on.")
            return
        if cancelled and not task.cancelled():
            ended = type(task.exception() or task.result()).__name__
            self._fault(
                f"a call that is cancelled {when} must let that through; it gave a {ended}."
            )
        running = asyncio.all_tasks() - {*others, task}
        if running:
            _, running = await asyncio.wait(running, timeout=deadline - loop.time())
        for one in running:
            self._fault(f"a call that was cancelled {when} left a task running: {one.get_coro()}.")

    async def _call(self, report_progress: ReportProgress) -> ProviderAnswer:
        return await self._adapter.call(self._to_call(), report_progress)

    def _to_call(self) -> ProviderCall:
        return ProviderCall(
            call_id=f"contract-{uuid4()}",
            capability=self._offer.capability,
            model=self._offer.model,
            request=self._request,
            audio=self._audio,
            timeout=self._seconds,
        )

    @asynccontextmanager
    async def _watching_the_loop(self) -> AsyncIterator[None]:
        """Measure for how long nothing else could run: no heartbeat, no cancellation."""
        loop = asyncio.get_running_loop()
        longest = 0.0

        async def tick() -> None:
            nonlocal longest
            while True:
                before = loop.time()
                await asyncio.sleep(_TICK)
                longest = max(longest, loop.time() - before)

        ticking = asyncio.create_task(tick())
        await asyncio.sleep(0)
        try:
            yield
            await asyncio.sleep(2 * _TICK)
        finally:
            ticking.cancel()
        if longest > _AT_ONCE:
            self._fault(
                f"the event loop was held up for {longest:.1f} s: wait with await, or work in "
                "asyncio.to_thread or a process."
            )

    def _fault(self, fault: str) -> None:
        self._faults.append(f"{title(self._offer)}: {fault}")
