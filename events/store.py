"""Subscriptions: one reader of history per watched run and process, any number of listeners.

Watching costs the run nothing: the reader long-polls Temporal's history, and looks at the pending
activities a few times a second while a call is open. A late listener gets the same events as an
early one, with the same ids, because both come from history.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any

import structlog
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from events.hints import Hints
from events.history import HistoryReader, RunCreated
from events.projection import Projection
from events.types import EventType, PipelineEvent
from workflows.types import ExecutionStatus

_HINT_INTERVAL = 0.25  # s
_RETRY_INTERVAL = 1.0  # s, after Temporal was unreachable
_KEPT_HINTS = 100

log = structlog.get_logger(__name__)


class ExecutionNotFound(Exception):
    """Temporal knows no such run."""


class UnknownEventId(ValueError):
    """The id to resume after is not one of this run."""


class StoreClosed(Exception):
    """The process is going away: subscribe again elsewhere, after the last event that came."""


class EventStore:
    """Reads runs and lets any number of listeners follow them."""

    def __init__(self, client: Client) -> None:
        """Take a connected client."""
        self._client = client
        self._watches: dict[str, _Watch] = {}
        self._closed = False

    async def read(self, execution_id: str) -> tuple[Projection, list[PipelineEvent]]:
        """Fold the history as it stands.

        Raises:
            ExecutionNotFound: Temporal has no such run.
        """
        handle = self._client.get_workflow_handle(execution_id)
        reader = HistoryReader(self._client.data_converter)
        projection: Projection | None = None
        events: list[PipelineEvent] = []
        try:
            async for event in handle.fetch_history_events():
                fact = await reader.read(event)
                if isinstance(fact, RunCreated):
                    projection = Projection(execution_id, fact)
                elif fact is not None and projection is not None:
                    events += projection.feed(event.event_id, fact)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                raise ExecutionNotFound(execution_id) from error
            raise
        if projection is None:
            raise ExecutionNotFound(execution_id)
        return projection, events

    async def status(
        self, execution_id: str, description: WorkflowExecutionDescription
    ) -> ExecutionStatus:
        """Return how far a run is, what its open calls say included.

        Raises:
            ExecutionNotFound: Temporal has no such run.
        """
        projection, _ = await self.read(execution_id)
        status = projection.status
        pending = description.raw_description.pending_activities
        for hint in await Hints(projection, self._client.data_converter).of(pending):
            status.progress_percent = max(status.progress_percent, hint.progress_percent)
        return status

    async def subscribe(
        self, execution_id: str, after: str | None = None
    ) -> AsyncGenerator[PipelineEvent]:
        """Yield every durable event once, in order, with live hints between; end after the last.

        Args:
            execution_id: The run.
            after: Id of the last event that was received; the next one is the first to come.

        Raises:
            ExecutionNotFound: Temporal has no such run.
            UnknownEventId: `after` is not an id of this run.
            StoreClosed: The store was closed while the run went on, or before.
        """
        if self._closed:
            raise StoreClosed
        watch = self._watches.get(execution_id)
        if watch is None:
            watch = self._watches[execution_id] = _Watch(self._client, execution_id)
        watch.listeners += 1
        try:
            await watch.ready()
            position = watch.position_after(after)
            async for event in watch.follow(position):
                yield event
        finally:
            watch.listeners -= 1
            if not watch.listeners:
                self._watches.pop(execution_id, None)
                await watch.close()

    async def close(self) -> None:
        """Stop every reader and let every listener go, late ones too. Idempotent."""
        self._closed = True
        for watch in list(self._watches.values()):
            await watch.close()
            await watch.fail(StoreClosed())


class _Watch:
    """The reader of one run."""

    def __init__(self, client: Client, execution_id: str) -> None:
        self.listeners = 0
        self._client = client
        self._id = execution_id
        self._events: list[PipelineEvent] = []
        self._hints: deque[PipelineEvent] = deque(maxlen=_KEPT_HINTS)
        self._hint_count = 0
        # One for the whole history, also over a connection that was lost in between.
        self._reader = HistoryReader(client.data_converter)
        self._projection: Projection | None = None
        self._problem: Exception | None = None
        self._caught_up = False
        self._seen = 0
        self._changed = asyncio.Condition()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._look())]

    async def ready(self) -> None:
        """Wait until what history held at the beginning is read."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._caught_up or self._problem)
        if self._problem:
            raise self._problem

    def position_after(self, after: str | None) -> int:
        """Return the place of the event after this one."""
        if after is None:
            return 0
        for place, event in enumerate(self._events):
            if event.event_id == after:
                return place + 1
        raise UnknownEventId(f"'{after}' is not an event of {self._id}.")

    async def follow(self, position: int) -> AsyncGenerator[PipelineEvent]:
        """Yield events from a place on; progress never falls."""
        highest = max((event.progress_percent for event in self._events[:position]), default=0.0)
        if position and self._events[position - 1].event_type.is_terminal:
            return
        hint_count = self._hint_count
        while True:
            async with self._changed:
                await self._changed.wait_for(
                    lambda: (
                        len(self._events) > position  # noqa: B023 - read at once
                        or self._hint_count > hint_count  # noqa: B023
                        or self._problem
                    )
                )
            while position < len(self._events):
                event = self._events[position]
                position += 1
                highest = max(highest, event.progress_percent)
                yield event.model_copy(update={"progress_percent": highest})
                if event.event_type.is_terminal:
                    return
            if self._problem:
                raise self._problem
            fresh = self._hint_count - hint_count
            hint_count = self._hint_count
            for hint in list(self._hints)[-fresh:] if fresh else ():
                if hint.progress_percent > highest or hint.event_type == EventType.STEP_RETRYING:
                    highest = max(highest, hint.progress_percent)
                    yield hint.model_copy(update={"progress_percent": highest})

    async def close(self) -> None:
        """Stop reading."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _read(self) -> None:
        """Long-poll history until the run has ended; survive Temporal's absence."""
        while True:
            try:
                await self._read_on()
            except RPCError as error:
                if error.status == RPCStatusCode.NOT_FOUND:
                    await self.fail(ExecutionNotFound(self._id))
                    return
                log.warning("history can't be read", execution_id=self._id, error=str(error))
                await asyncio.sleep(_RETRY_INTERVAL)
            except Exception as error:  # noqa: BLE001 - handed to every listener
                await self.fail(error)
                return
            else:
                return

    async def _read_on(self) -> None:
        handle = self._client.get_workflow_handle(self._id)
        known = (await handle.describe()).history_length
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_id <= self._seen:
                continue
            fact = await self._reader.read(event)
            if isinstance(fact, RunCreated):
                self._projection = Projection(self._id, fact)
            async with self._changed:
                if fact is not None and self._projection is not None:
                    self._events += self._projection.feed(event.event_id, fact)
                self._caught_up = self._caught_up or event.event_id >= known
                self._changed.notify_all()
            self._seen = event.event_id

    async def _look(self) -> None:
        """Look at the pending activities while a call is open."""
        try:
            await self.ready()
            await self._look_on()
        except Exception:
            log.exception("open calls can't be read", execution_id=self._id)

    async def _look_on(self) -> None:
        if self._projection is None:
            return
        hints = Hints(self._projection, self._client.data_converter)
        handle = self._client.get_workflow_handle(self._id)
        while not self._projection.status.status.ended:
            await asyncio.sleep(_HINT_INTERVAL)
            if not self._projection.has_open_calls:
                continue
            try:
                found = await hints.of(await _pending(handle))
            except RPCError as error:
                log.debug("pending activities can't be read", error=str(error))
                continue
            if found:
                async with self._changed:
                    self._hints.extend(found)
                    self._hint_count += len(found)
                    self._changed.notify_all()

    async def fail(self, problem: Exception) -> None:
        """Let every listener end with this."""
        async with self._changed:
            self._problem = problem
            self._changed.notify_all()


async def _pending(handle: WorkflowHandle[Any, Any]) -> Sequence[PendingActivityInfo]:
    return (await handle.describe()).raw_description.pending_activities


_installed: EventStore | None = None


def install_event_store(store: EventStore | None) -> EventStore | None:
    """Make `get_event_store` return this one, and return the one before; for composition roots."""
    global _installed
    before, _installed = _installed, store
    return before


def get_event_store() -> EventStore:
    """Return the process's store.

    Raises:
        RuntimeError: Nothing in this process is connected to Temporal.
    """
    if _installed is None:
        raise RuntimeError(
            "No event store is open in this process: ask for it inside "
            "`async with InstrumentedOrchestrator() as orchestrator:`, which connects to Temporal, "
            "or make one of your own with EventStore(client)."
        )
    return _installed
