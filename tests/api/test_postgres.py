"""The API while its PostgreSQL is away, and what PostgreSQL takes otherwise than SQLite."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx2
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from api.problems import to_problem
from devserver import DevServerDescription, free_port
from settings import Settings
from tests.api.conftest import Execute
from tests.postgres import PostgresServer
from tests.problems import problem_of
from tests.relay import Relay
from tests.runs import eventually
from tests.scripted import ScriptedAdapter
from tests.serving import serve_api

TEXT = {"pipeline_name": "pii_detection", "input_data": {"text": "Jane called"}}


@dataclass(frozen=True, slots=True)
class Remote:
    """An API whose way to its database can be cut."""

    api: httpx2.AsyncClient
    relay: Relay


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@pytest.fixture
async def remote(
    temporal: DevServerDescription, settings: Settings, postgres: PostgresServer
) -> AsyncIterator[Remote]:
    del temporal
    async with Relay(f"127.0.0.1:{postgres.port}", free_port()) as relay:
        address = settings.database_url.replace(f"127.0.0.1:{postgres.port}", relay.address)
        moved = Settings(
            ai_data_dir=settings.ai_data_dir,
            ai_task_queue=settings.ai_task_queue,
            ai_database_url=address,
        )
        async with serve_api(moved) as api:
            yield Remote(api, relay)


async def test_what_needs_the_database_is_unavailable_while_it_is_away(remote: Remote) -> None:
    assert (await remote.api.get("/artifacts/" + "0" * 32)).status_code == 404
    await remote.relay.cut()
    for answer in (
        await remote.api.get("/artifacts/" + "0" * 32),
        await remote.api.post("/execute", json=TEXT, headers={"Idempotency-Key": "k"}),
        await remote.api.post("/artifacts", content=b"x"),
    ):
        problem_of(answer, 503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    health = (await remote.api.get("/health")).json()["components"]
    assert health["database"]["status"] == "unavailable"
    assert health["temporal"]["status"] == "ok"
    await remote.relay.mend()

    async def is_back() -> bool:
        key = {"Idempotency-Key": "k"}
        return (await remote.api.post("/execute", json=TEXT, headers=key)).status_code == 202

    await eventually(is_back, "the database is back")


async def test_a_run_is_admitted_worked_and_settled(
    api: httpx2.AsyncClient, execute: Execute, working: ScriptedAdapter
) -> None:
    del working
    answer = await api.get(f"/{await execute()}/result", params={"wait": 20})
    assert (answer.status_code, answer.json()["total_cost_usd"]) == (200, "0.01")


@pytest.mark.parametrize("name", ["%00", "a%00b", "%ff", "x" * 500])
async def test_what_can_not_be_an_artifacts_id_is_not_there(
    api: httpx2.AsyncClient, name: str
) -> None:
    for method in ("GET", "DELETE"):
        problem_of(await api.request(method, f"/artifacts/{name}"), 404, "not_found")


@pytest.mark.parametrize("path", ["/definitions/a%00b", "/definitions/calls/1%00"])
async def test_what_can_not_be_a_definitions_name_is_not_there(
    api: httpx2.AsyncClient, path: str
) -> None:
    problem_of(await api.get(path), 404, "pipeline_not_found")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError(None, None, OSError()), 503),
        (NoConnectionFree(), 503),
        (ProgrammingError("SELECT", None, Exception()), 500),
        (IntegrityError("INSERT", None, Exception()), 500),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_what_passes_is_said_to_pass(error: Exception, status: int) -> None:
    assert to_problem(error).status == status
