"""The server that the application runs in."""

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from api.app import create_app
from settings import Settings

_GRACE = 2  # s for requests that are under way when the server stops


def create_server(settings: Settings, **options: Any) -> uvicorn.Server:
    """Build the server; options are uvicorn's own."""
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_GRACE,
        ws=_WebSockets,
        ws_max_size=1 << 16,  # what a client sends is read and ignored
        **options,
    )
    return _Server(config, app)


class _WebSockets(WebSocketsSansIOProtocol):
    """Counts a refused handshake as done; uvicorn 0.54 logs it as an error (uvicorn#3138)."""

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True


class _Server(uvicorn.Server):
    """Tells followers to go before it waits for them."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        services = getattr(self._app.state, "services", None)
        if services is not None:
            await services.events.close()
        await super().shutdown(sockets)
