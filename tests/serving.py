"""The API of this code, served in this process on a free port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import uvicorn

from api.app import create_app
from api.schemas import PREFIX
from devserver import free_port
from settings import Settings


@asynccontextmanager
async def serve_api(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the API of this code on a free port; yields a client at its root."""
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host="127.0.0.1",
            port=port,
            log_config=None,
            access_log=False,
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
    )
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:
                if task.done():
                    task.result()
                await asyncio.sleep(0.01)
        base = f"http://127.0.0.1:{port}{PREFIX}"
        async with httpx2.AsyncClient(base_url=base, trust_env=False, timeout=30) as http:
            yield http
    finally:
        server.should_exit = True
        await task
