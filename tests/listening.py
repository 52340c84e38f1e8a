"""Listens to a run's events the way clients do: SSE, WebSocket, pages."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of an SSE stream, as it was on the wire."""

    id: str | None
    event: str
    data: dict[str, Any]


@asynccontextmanager
async def sse(
    api: httpx2.AsyncClient, path: str, **headers: str
) -> AsyncIterator[AsyncIterator[Frame]]:
    """Open a stream; the server has answered when this yields."""
    async with api.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].partition(";")[0] == "text/event-stream"
        yield _frames(response)


async def all_frames(api: httpx2.AsyncClient, path: str, **headers: str) -> list[Frame]:
    """Read a stream to its end."""
    async with sse(api, path, **headers) as frames:
        return [frame async for frame in frames]


def websocket(api: httpx2.AsyncClient, path: str, **headers: str) -> connect:
    """Connect to a path of the API as WebSocket."""
    url = str(api.base_url.copy_with(scheme="ws")).rstrip("/") + path
    return connect(url, additional_headers=headers, proxy=None)


async def all_messages(
    api: httpx2.AsyncClient, path: str, **headers: str
) -> tuple[list[dict[str, Any]], int | None]:
    """Read a WebSocket to its end; returns the messages and the close code."""
    async with websocket(api, path, **headers) as connection:
        messages = [json.loads(message) async for message in connection]
        return messages, connection.close_code


async def next_message(connection: ClientConnection, event_type: str) -> dict[str, Any]:
    """Return the next message of a type, passing over others."""
    while True:
        message: dict[str, Any] = json.loads(await connection.recv())
        if message["event_type"] == event_type:
            return message


async def _frames(response: httpx2.Response) -> AsyncIterator[Frame]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Frame(fields.get("id"), fields["event"], json.loads(fields["data"]))
            fields = {}
