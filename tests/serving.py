"""The API of this code, served in this process on a free port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from api.schemas import PREFIX
from api.server import create_server
from devserver import free_port
from ledger.database import prepare_database
from settings import Settings


@asynccontextmanager
async def serve_api(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve the API of this code on a free port; yields a client at its root."""
    port = free_port()
    await prepare_database(settings.database_url)
    server = create_server(settings, host="127.0.0.1", port=port)
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
