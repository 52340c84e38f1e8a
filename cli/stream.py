"""The events of a run over WebSocket, as one stream that survives lost connections.

A stream is resumed with `?after=` the last durable event, so that nothing is missed and nothing
comes twice, whichever replica answers. Close code 1000 is the end; 1012 (the server restarts), 4008
(we read too slowly) and anything else are losses, and so is a handshake answered with 429 or 5xx.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any
from urllib.parse import quote, urlencode

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from cli.client import PIPELINES, Api, reason_of
from cli.errors import FollowLostError

_ENDED = 1000
_CLOSED = {1001: "the API goes away", 1012: "the API restarts", 4008: "read too slowly"}
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_STEADY_S = 5.0  # a connection that lived so long ends the counting of attempts
_LARGEST_EVENT = 16 * 1024 * 1024


async def subscribe(
    api: Api, execution_id: str, on_outage: Callable[[str | None], None]
) -> AsyncGenerator[dict[str, Any]]:
    """Yield the events of a run from its first to its last.

    Args:
        api: Whom to ask.
        execution_id: The run.
        on_outage: Told the reason when the connection is lost, None when it is back.

    Raises:
        ApiProblemError: The API refused, such as an unknown id.
        FollowLostError: The connection could not be had again.
    """
    after: str | None = None
    delays = api.following.delays()
    while True:
        connection = _Connection(api, execution_id, after)
        async for event in connection.events():
            on_outage(None)
            after = event.get("event_id") or after
            yield event
        if connection.lost is None:
            return
        if connection.steady:
            delays = api.following.delays()
        delay = next(delays, None)
        if delay is None:
            raise FollowLostError(api.url, connection.lost, execution_id)
        on_outage(connection.lost)
        await asyncio.sleep(delay)


class _Connection:
    """One WebSocket from its handshake to its end.

    Attributes:
        lost: Why it ended before the run's last event, None after that.
        steady: Whether it worked: an event came, or it stood for a while.
    """

    def __init__(self, api: Api, execution_id: str, after: str | None) -> None:
        self.lost: str | None = None
        self.steady = False
        self._api = api
        query = f"?{urlencode({'after': after})}" if after else ""
        base = "ws" + api.url.removeprefix("http")
        self._url = f"{base}{PIPELINES}/{quote(execution_id, safe='')}/events{query}"

    async def events(self) -> AsyncGenerator[dict[str, Any]]:
        since = asyncio.get_running_loop().time()
        try:
            async with self._connect() as socket:
                since = asyncio.get_running_loop().time()
                while True:
                    event = json.loads(await socket.recv())
                    if isinstance(event, dict):
                        self.steady = True
                        yield event
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else None
            if code == _ENDED:
                return
            self.lost = _CLOSED.get(code, f"closed with {code}") if code else "not closed properly"
        except InvalidStatus as error:
            self.lost = self._refused(error)
        except (OSError, WebSocketException, ValueError) as error:
            self.lost = reason_of(error)
        self.steady = self.steady or asyncio.get_running_loop().time() - since > _STEADY_S

    def _connect(self) -> Any:
        return connect(
            self._url,
            additional_headers=self._api.headers,
            proxy=True if self._api.use_proxy else None,
            max_size=_LARGEST_EVENT,
            close_timeout=1,
        )

    def _refused(self, error: InvalidStatus) -> str:
        status = error.response.status_code
        if status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS:
            return f"the API answered {status}"
        try:
            body = json.loads(error.response.body or b"")
        except ValueError:
            body = {"detail": f"the API refused to show the events ({status})"}
        raise self._api.refusal(status, body)
