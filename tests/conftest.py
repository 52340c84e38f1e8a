"""Fixtures that every room's tests share: the real Temporal server, and our processes around it."""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from activities.call import ProviderActivities
from activities.predicates import Functions
from activities.probe import ProbeActivities
from activities.run import RunActivities
from activities.sweep import SweepActivities
from artifacts.fetch import Fetcher
from artifacts.store import ArtifactStore
from connection import connect
from devserver import DevServerDescription, dev_server, free_port
from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.database import create_engine, prepare_database
from observability.metrics import get_ai_metrics
from providers.adapters.base import ProviderAdapter
from providers.registry import CapabilityRegistry
from settings import Settings
from tests.postgres import DATABASES, PostgresServer, postgres_server, run_apart
from tests.runs import RunningWorker, StartWorker
from tests.serving import serve_api
from worker import create_worker


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--record", action="store_true", help="write the histories that tests/replay keeps"
    )
    parser.addoption(
        "--database",
        choices=DATABASES,
        default=DATABASES[0],
        help="where the tests keep their ledger that do not try every database",
    )


# Skips that CI expects: reasons, by their beginning.
_EXPECTED_SKIPS = (
    "the seed document is not here",
    "the vendors' API descriptions are not here",
    "no key: ",
)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in _unexpected_skips(terminalreporter):
        terminalreporter.write_line(f"unexpected skip: {report.nodeid}: {report.longrepr}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if "PERDURE_CI" in os.environ and exitstatus == 0 and _unexpected_skips(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unexpected_skips(reporter: Any) -> list[pytest.TestReport]:
    return [
        report
        for report in reporter.stats.get("skipped", [])
        if not str(report.longrepr[2]).removeprefix("Skipped: ").startswith(_EXPECTED_SKIPS)
    ]


@pytest.fixture(scope="session")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServerDescription]:
    """One development server for the whole session, in a thread of its own."""
    folder = tmp_path_factory.mktemp("temporal")
    description = DevServerDescription.load().with_ports(free_port(), free_port())
    ready, stop = threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()
    problems: list[BaseException] = []

    async def serve() -> None:
        try:
            async with dev_server(description, database=None, log=folder / "temporal.log"):
                ready.set()
                await stop.wait()
        except BaseException as problem:
            problems.append(problem)
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    ready.wait(timeout=60)
    if problems:
        raise problems[0]
    yield description
    loop.call_soon_threadsafe(stop.set)
    thread.join(timeout=30)
    loop.close()


@pytest.fixture
async def client(temporal: DevServerDescription) -> Client:
    return await connect(target=temporal.target, namespace=temporal.namespace)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole session."""
    with postgres_server(tmp_path_factory.mktemp("postgres") / "postgres.log") as server:
        yield server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file to be copied: migrating takes a hundred times as long."""
    file = tmp_path_factory.mktemp("ledger") / "perdure.db"
    run_apart(prepare_database(f"sqlite+aiosqlite:///{file}"))
    return file


@pytest.fixture
def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path
) -> Iterator[str]:
    """A migrated database of this test's own, as it is parametrised or `--database` says."""
    if getattr(request, "param", request.config.getoption("database")) == "sqlite":
        file = tmp_path / "data" / "perdure.db"
        file.parent.mkdir()
        shutil.copy(migrated_file, file)
        yield f"sqlite+aiosqlite:///{file}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture
def settings(
    tmp_path: Path,
    database_url: str,
    temporal: DevServerDescription,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """Settings of a stack of its own: data folder and task queue are this test's."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal.target)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", temporal.namespace)
    return Settings(
        ai_data_dir=tmp_path / "data",
        ai_database_url=database_url,
        ai_task_queue=f"test-{uuid4().hex[:8]}",
        ai_fetch_allowed_hosts=(),
    )


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Connect to this test's database."""
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def start_worker(
    client: Client, settings: Settings, engine: AsyncEngine
) -> AsyncIterator[StartWorker]:
    """Start workers with scripted providers, in this process; they stop with the test."""
    async with AsyncExitStack() as running:

        async def start(
            *adapters: ProviderAdapter, functions: Functions | None = None
        ) -> RunningWorker:
            registry = CapabilityRegistry(adapters)
            ledger, metrics = Ledger(engine, Budget.of(settings)), get_ai_metrics()
            artifacts = ArtifactStore(
                engine, settings.ai_data_dir / "artifacts", max_bytes=settings.ai_max_artifact_bytes
            )
            fetcher = Fetcher(
                allowed_hosts=settings.ai_fetch_allowed_hosts,
                max_bytes=settings.ai_max_artifact_bytes,
                folder=settings.ai_data_dir / "downloads",
            )
            worker = create_worker(
                client,
                settings,
                ProviderActivities(registry, ledger, artifacts, fetcher, metrics),
                RunActivities(client, registry, ledger, artifacts, metrics),
                ProbeActivities(fetcher),
                SweepActivities(client, ledger, artifacts),
                functions,
            )
            await running.enter_async_context(worker)
            return RunningWorker(client, settings.ai_task_queue, registry, ledger, worker.shutdown)

        yield start


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with serve_api(settings) as http:
        yield http
