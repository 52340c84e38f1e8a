"""Events as they happen: SSE, WebSocket, or a page of what there is."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from api.context import (
    DEFAULT_TENANT,
    TENANT_HEADER,
    ExecutionOf,
    Services,
    ServicesOf,
    get_execution,
    get_services,
    get_tenant,
)
from api.problems import to_problem
from api.schemas import PREFIX, PROBLEMS, Body
from events.store import StoreClosed, UnknownEventId
from events.types import PipelineEvent

_KEEP_ALIVE = 15.0  # s without an event after which a comment keeps proxies from hanging up
_SEND_TIMEOUT = 10.0  # s in which a client must take a message
_CLOSE_SLOW = 4008
_CLOSE_RESTART = 1012

router = APIRouter(prefix=PREFIX, tags=["events"], responses=PROBLEMS)


class EventPage(Body):
    """Durable events, and where the next page begins."""

    events: list[PipelineEvent]
    next_after: str | None


@router.get(
    "/{execution_id}/events",
    response_model=None,
    responses={
        200: {"model": EventPage, "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    },
)
async def get_events(
    execution: ExecutionOf,
    services: ServicesOf,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
    last_event_id: Annotated[str | None, Header(alias="Last-Event-ID")] = None,
    after: Annotated[str | None, Query()] = None,
) -> Response:
    """Stream as SSE; a client that takes JSON only gets a page of what there is."""
    resume = last_event_id or after or None
    if "application/json" in accept and "text/event-stream" not in accept and "*/*" not in accept:
        page = await _page(services, execution.id, resume)
        return Response(page.model_dump_json(), media_type="application/json")
    await _check_resume(services, execution.id, resume)
    return StreamingResponse(
        _sse(services.events.subscribe(execution.id, resume)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.websocket("/{execution_id}/events")
async def follow(websocket: WebSocket, execution_id: str, after: str | None = None) -> None:
    """Send one JSON message an event; close with 1000 after the last."""
    services = get_services(websocket)
    after = after or None
    try:
        tenant = get_tenant(websocket.headers.get(TENANT_HEADER, DEFAULT_TENANT))
        execution = await get_execution(execution_id, services, tenant)
        await _check_resume(services, execution.id, after)
    except Exception as error:  # noqa: BLE001 - every error is answered at the handshake
        await websocket.send_denial_response(to_problem(error).response())
        return
    await websocket.accept()
    async with (
        aclosing(services.events.subscribe(execution.id, after)) as events,
        asyncio.TaskGroup() as group,
    ):
        listening = group.create_task(_until_gone(websocket))
        sending = group.create_task(_send(websocket, events))
        await asyncio.wait([listening, sending], return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        sending.cancel()


async def _check_resume(services: Services, execution_id: str, after: str | None) -> None:
    """Refuse an id that is none of this run's, before a stream begins.

    The first event must not be waited for: a run that no worker has taken up has none yet, and a
    client gives up on a handshake that long.
    """
    if after is not None:
        await _page(services, execution_id, after)


async def _page(services: Services, execution_id: str, after: str | None) -> EventPage:
    _, events = await services.events.read(execution_id)
    ids = [event.event_id for event in events]
    if after is not None and after not in ids:
        raise UnknownEventId("The id to resume after is not that of an event of this execution.")
    rest = events[ids.index(after) + 1 :] if after is not None else events
    return EventPage(events=rest, next_after=rest[-1].event_id if rest else after)


async def _send(websocket: WebSocket, events: AsyncGenerator[PipelineEvent]) -> None:
    try:
        async for event in events:
            async with asyncio.timeout(_SEND_TIMEOUT):
                await websocket.send_text(event.model_dump_json())
    except TimeoutError:
        # The close frame queues behind what the client does not take.
        with suppress(TimeoutError, WebSocketDisconnect):
            async with asyncio.timeout(_SEND_TIMEOUT):
                await websocket.close(_CLOSE_SLOW, "the client is too slow")
    except StoreClosed:
        with suppress(WebSocketDisconnect):
            await websocket.close(_CLOSE_RESTART, "resume elsewhere")
    except WebSocketDisconnect:
        return
    else:
        with suppress(WebSocketDisconnect):
            await websocket.close()


async def _until_gone(websocket: WebSocket) -> None:
    """Read and ignore what the client sends, to hear of its going."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


async def _sse(events: AsyncGenerator[PipelineEvent]) -> AsyncIterator[str]:
    async with aclosing(events) as stream:
        pending: asyncio.Task[PipelineEvent | None] | None = None
        try:
            while True:
                pending = pending or asyncio.ensure_future(anext(stream, None))
                done, _ = await asyncio.wait([pending], timeout=_KEEP_ALIVE)
                if not done:
                    yield ": still here\n\n"
                    continue
                event, pending = pending.result(), None
                if event is None:
                    return
                yield _frame(event)
        except StoreClosed:
            return
        finally:
            if pending is not None:
                pending.cancel()
                await asyncio.wait([pending])


def _frame(event: PipelineEvent) -> str:
    head = f"id: {event.event_id}\n" if event.event_id else ""
    return f"{head}event: {event.event_type}\ndata: {event.model_dump_json()}\n\n"
