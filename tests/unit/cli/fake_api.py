"""The API of the contract as a real server on a real port, playing a script.

`python -m tests.unit.cli.fake_api [--pace SECONDS] [--script NAME]` plays it for a terminal.
"""

import argparse
import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse, Response
from starlette.websockets import WebSocketDisconnect

from tests.unit.cli import scripts
from tests.unit.cli.scripts import PIPELINE_LIST, PROVIDER_LIST, Script

PREFIX = "/api/v1/ai/pipelines"
_KEPT_BYTES = 100_000


@dataclass(frozen=True)
class Recorded:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes  # nothing of a large one
    size: int

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Fake:
    """What the server plays, and what it was asked.

    Attributes:
        answers: For `METHOD path`, answers to give before the script's own; None lets one through.
        closes: For each connection in turn, after how many events it is closed with which code.
        hold_after: Number of events after which the stream stops until `release` is called.
        unfinished: How often the result is answered with 202 first.
    """

    script: Script = field(default_factory=scripts.call_analysis)
    answers: dict[str, list[Response | None]] = field(default_factory=dict)
    closes: list[tuple[int, int]] = field(default_factory=list)
    handshakes: list[int] = field(default_factory=list)
    hold_after: int | None = None
    unfinished: int = 0
    pace: float = 0.0
    requests: list[Recorded] = field(default_factory=list)
    resumed_after: list[str | None] = field(default_factory=list)
    handshake_headers: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def asked(self, method: str, path: str) -> list[Recorded]:
        return [r for r in self.requests if (r.method, r.path) == (method, path)]

    def release(self) -> None:
        self.released.set()


class Server:
    """One server, playing one fake after the other."""

    def __init__(self) -> None:
        self.fake = Fake()
        self.app = FastAPI()
        self.app.add_api_route(
            PREFIX + "/{path:path}", self._http, methods=["GET", "POST", "PUT", "DELETE"]
        )
        self.app.add_api_websocket_route(PREFIX + "/{execution_id}/events", self._events)

    async def _http(self, request: Request, path: str) -> Response:
        recorded = await _record(request, path)
        self.fake.requests.append(recorded)
        planned = self.fake.answers.get(f"{recorded.method} /{path}", [])
        answer = planned.pop(0) if planned else None
        return answer or self._scripted(recorded)

    def _scripted(self, request: Recorded) -> Response:
        script = self.fake.script
        run = script.snapshot["execution_id"]
        known: dict[tuple[str, str], Callable[[], Response]] = {
            ("POST", "/artifacts"): lambda: JSONResponse(scripts.ARTIFACT, 201),
            ("POST", "/execute"): lambda: JSONResponse(script.accepted, 202),
            ("GET", "/"): lambda: JSONResponse(PIPELINE_LIST),
            ("GET", "/providers"): lambda: JSONResponse(PROVIDER_LIST),
            ("GET", "/executions"): lambda: JSONResponse(scripts.execution_list(request.query)),
            ("GET", f"/{run}"): lambda: JSONResponse(script.snapshot),
            ("GET", f"/{run}/result"): self._result,
            ("DELETE", f"/{run}"): self._cancel,
        }
        answer = known.get((request.method, request.path))
        return answer() if answer else problem(404, "not_found", f"there is no {request.path}")

    def _cancel(self) -> Response:
        self.fake.script = scripts.cancelled(self.fake.script)
        self.fake.release()
        return JSONResponse({"execution_id": scripts.ID, "status": "running"}, 202)

    def _result(self) -> Response:
        if self.fake.unfinished:
            self.fake.unfinished -= 1
            body = {"execution_id": self.fake.script.snapshot["execution_id"], "status": "running"}
            return JSONResponse(body, 202, headers={"Retry-After": "0"})
        return JSONResponse(self.fake.script.result)

    async def _events(self, socket: WebSocket, execution_id: str) -> None:
        fake = self.fake
        after = socket.query_params.get("after")
        fake.resumed_after.append(after)
        fake.handshake_headers.append(dict(socket.headers))
        if fake.handshakes and (status := fake.handshakes.pop(0)) != 101:
            await socket.send_denial_response(problem(status, "not_found", "no such execution"))
            return
        if execution_id != fake.script.snapshot["execution_id"]:
            await socket.send_denial_response(problem(404, "not_found", "no such execution"))
            return
        await socket.accept()
        limit, code = fake.closes.pop(0) if fake.closes else (None, 1000)
        try:
            await self._play(socket, after, limit)
            await socket.close(code)
        except (WebSocketDisconnect, RuntimeError):
            return

    async def _play(self, socket: WebSocket, after: str | None, limit: int | None) -> None:
        fake, sent, position = self.fake, 0, 0
        if after is not None:
            ids = [event["event_id"] for event in fake.script.events]
            position = ids.index(after) + 1
        while position < len(fake.script.events) and sent != limit:
            while fake.hold_after == position and not fake.released.is_set():
                if await _gone(socket):
                    return
            await asyncio.sleep(fake.pace)
            await socket.send_json(fake.script.events[position])
            position, sent = position + 1, sent + 1


async def _gone(socket: WebSocket) -> bool:
    try:
        await asyncio.wait_for(socket.receive(), 0.02)
    except TimeoutError:
        return False
    return True


async def _record(request: Request, path: str) -> Recorded:
    size, body = 0, b""
    async for chunk in request.stream():
        size += len(chunk)
        body = body + chunk if size <= _KEPT_BYTES else b""
    query, headers = dict(request.query_params), dict(request.headers)
    return Recorded(request.method, f"/{path}", query, headers, body, size)


def problem(status: int, code: str, detail: str, **extra: Any) -> JSONResponse:
    body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail}
    headers = {"Retry-After": "0"} if status in {429, 503} else {}
    return JSONResponse(body | extra, status, headers, media_type="application/problem+json")


@contextmanager
def serving(server: Server) -> Iterator[str]:
    """Serve on a free port; it takes connections before the loop runs, so nobody need wait."""
    listening = socket.create_server(("127.0.0.1", 0))
    runner = uvicorn.Server(
        uvicorn.Config(server.app, log_level="error", timeout_graceful_shutdown=1, lifespan="off")
    )
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        runner.should_exit = True
        thread.join()


def _play_for_a_terminal() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pace", type=float, default=0.15)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--script", default="call_analysis")
    parser.add_argument("--hold-after", type=int)
    options = parser.parse_args()
    server = Server()
    scripts.START = datetime.now(UTC)
    script = getattr(scripts, options.script)()
    server.fake = Fake(script, pace=options.pace, hold_after=options.hold_after)
    uvicorn.run(server.app, port=options.port, log_level="warning")


if __name__ == "__main__":
    _play_for_a_terminal()
