"""A vendor on localhost that answers as a test says, and keeps what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

Ending = Literal["whole", "cut", "silent"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came over the wire; its body is bytes unless it is JSON."""

    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True)
class _Answer:
    head: bytes
    parts: Sequence[bytes]
    ending: Ending


@dataclass(slots=True)
class FakeVendor:
    """What the server answers next, and what it has seen.

    Attributes:
        keeps_open: Whether a connection takes one request after the other, as vendors' do.
        connections: How many there have been.
        hung_up: Set when the client closed the connection before the answer had ended.
        think: Sets the answer by what is asked.
    """

    url: str = ""
    keeps_open: bool = False
    connections: int = 0
    asked: list[Asked] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    think: Callable[[Asked], None] = lambda _asked: None
    _answers: list[_Answer] = field(default_factory=list)

    def answer(
        self, status: int, body: dict[str, Any] | bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer in one piece."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "text/html" if isinstance(body, bytes) else "application/json"
        self._set(status, kind, headers or {}, [content], "whole")

    def stream(self, *events: dict[str, Any] | bytes, ending: Ending = "whole") -> None:
        """Answer with server-sent events.

        Args:
            events: Each with its `type`; bytes go out as they are.
            ending: `cut` closes the connection without the stream's end, `silent` says no more
                until the client hangs up.
        """
        parts = [event if isinstance(event, bytes) else _sse(event) for event in events]
        self._set(200, "text/event-stream", {}, parts, ending)

    def stream_each(self, *answers: Sequence[dict[str, Any]]) -> None:
        """Answer one request after the other, each with the next series of events."""
        series = []
        for events in answers:
            self.stream(*events)
            series += self._answers
        self._answers = series

    def _set(
        self,
        status: int,
        kind: str,
        headers: Mapping[str, str],
        parts: Sequence[bytes],
        ending: Ending,
    ) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", f"content-type: {kind}"]
        lines += ["transfer-encoding: chunked", *(f"{k}: {v}" for k, v in headers.items())]
        self._answers = [_Answer("\r\n".join([*lines, "", ""]).encode(), parts, ending)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while await self._serve_next(reader, writer) and self.keeps_open:
                pass
        except ConnectionError:
            self.hung_up.set()
        finally:
            writer.close()

    async def _serve_next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; say whether the connection can take another."""
        try:
            self.asked.append(await _read_request(reader))
        except asyncio.IncompleteReadError:
            return False
        self.think(self.asked[-1])
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        writer.write(answer.head)
        for part in answer.parts:
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
        if answer.ending == "whole":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        elif answer.ending == "silent":
            await reader.read()
            self.hung_up.set()
        return answer.ending == "whole"


@asynccontextmanager
async def serve_fake_vendor() -> AsyncIterator[FakeVendor]:
    """Serve on a free port."""
    vendor = FakeVendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield vendor
    finally:
        server.close()


async def _read_request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    is_json = "json" in headers.get("content-type", "")
    return Asked(first.split(" ")[1], headers, json.loads(body) if is_json else body)


def _sse(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
