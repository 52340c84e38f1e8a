"""A worker process: settings, clients, worker. Also `python worker.py`."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp

import structlog
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.call import ProviderActivities
from activities.expressions import evaluate_expression
from activities.heartbeats import MIN_INTERVAL
from activities.predicates import Functions, PredicateActivities
from activities.probe import ProbeActivities
from activities.run import RunActivities
from activities.sweep import SweepActivities
from artifacts.fetch import Fetcher
from artifacts.store import ArtifactStore
from connection import TemporalUnreachable, connect
from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.database import create_engine, migrate
from observability.logs import configure_logging
from observability.metrics import get_ai_metrics
from observability.server import serve_metrics
from pipelines.catalogue import install_catalogue, load_catalogue
from pipelines.vocabulary import vocabulary_of
from providers.registry import CapabilityRegistry, build_registry, install_registry
from settings import Settings, SettingsError
from workflows.pipeline import PipelineWorkflow
from workflows.sweep import ReservationSweep, ensure_sweep

# Our own rooms and the libraries that they need are loaded once, not anew for every run.
_PASSED_THROUGH = (
    "activities",
    "annotated_types",
    "cel_expr_python",
    "pipelines",
    "providers",
    "pydantic",
    "pydantic_core",
    "workflows",
)
_GRACE = timedelta(seconds=2)
_EXIT_USAGE = 2

log = structlog.get_logger(__name__)


def workflow_runner() -> SandboxedWorkflowRunner:
    """Return the sandbox that workflows run and are replayed in."""
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    )


def create_worker(
    client: Client,
    settings: Settings,
    providers: ProviderActivities,
    runs: RunActivities,
    probe: ProbeActivities,
    sweep: SweepActivities,
    functions: Functions | None = None,
) -> Worker:
    """Assemble the Temporal worker.

    Args:
        client: The worker's connection.
        settings: The task queue is taken from here.
        providers: The activities that call providers.
        runs: The activities at the edges of a run.
        probe: The activity that looks at remote recordings.
        sweep: The activity that looks after reservations.
        functions: Those of pipelines that were defined in code; may grow while the worker runs.
    """
    predicates = PredicateActivities({} if functions is None else functions)
    return Worker(
        client,
        task_queue=settings.ai_task_queue,
        workflows=[PipelineWorkflow, ReservationSweep],
        activities=[
            providers.call_provider,
            runs.admit,
            runs.settle,
            runs.request_cancellation,
            predicates.evaluate_predicate,
            evaluate_expression,
            probe.probe_recordings,
            sweep.sweep_reservations,
        ],
        workflow_runner=workflow_runner(),
        # A call hears of its cancellation with its next heartbeat.
        max_heartbeat_throttle_interval=timedelta(seconds=MIN_INTERVAL),
        graceful_shutdown_timeout=_GRACE,
    )


@asynccontextmanager
async def running_worker(
    client: Client, settings: Settings, registry: CapabilityRegistry, functions: Functions
) -> AsyncIterator[None]:
    """Work until the block ends; the registry is closed with it."""
    engine = create_engine(settings.database_url)
    downloads = _downloads_folder(settings.ai_data_dir)
    try:
        await migrate(engine)
        ledger, metrics = Ledger(engine, Budget.of(settings)), get_ai_metrics()
        fetcher = Fetcher(
            allowed_hosts=settings.ai_fetch_allowed_hosts,
            max_bytes=settings.ai_max_artifact_bytes,
            folder=downloads,
        )
        artifacts = ArtifactStore(
            engine, settings.ai_data_dir / "artifacts", max_bytes=settings.ai_max_artifact_bytes
        )
        providers = ProviderActivities(registry, ledger, artifacts, fetcher, metrics)
        runs = RunActivities(client, registry, ledger, artifacts, metrics)
        probe = ProbeActivities(fetcher)
        sweep = SweepActivities(client, ledger, artifacts)
        async with create_worker(client, settings, providers, runs, probe, sweep, functions):
            try:
                await ensure_sweep(client, settings.ai_task_queue)
            except RPCError as error:  # another worker, or the next start, may do it
                log.exception("reservation sweep not scheduled", error=str(error))
            yield
    finally:
        await registry.close()
        await engine.dispose()
        shutil.rmtree(downloads, ignore_errors=True)


async def run_worker(settings: Settings) -> None:
    """Work until SIGINT or SIGTERM.

    Raises:
        SettingsError: A definition or an installed package can't be used.
        TemporalUnreachable: Nothing answers where Temporal should be.
    """
    registry = build_registry(settings)
    catalogue = load_catalogue(settings.ai_pipelines_path, vocabulary_of(registry))
    install_registry(registry)
    install_catalogue(catalogue)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await connect()
    with serve_metrics(settings.ai_metrics_port) as address:
        async with running_worker(client, settings, registry, catalogue.functions):
            log.info("worker started", task_queue=settings.ai_task_queue, metrics=address)
            await stop.wait()
            log.info("worker stopping")


def _downloads_folder(data_dir: Path) -> Path:
    """Make this worker's folder for downloads, and remove those of workers that were killed."""
    parent = data_dir / "downloads"
    parent.mkdir(parents=True, exist_ok=True)
    for folder in parent.iterdir():
        pid = folder.name.partition("-")[0]
        if not (pid.isdigit() and _is_running(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(mkdtemp(dir=parent, prefix=f"{os.getpid()}-"))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main() -> None:
    """Read the settings and work until told to stop; what is wrong is told in one line."""
    try:
        settings = Settings.load()
        settings.prepare_data_dir()
        configure_logging(settings.ai_log_format)
        asyncio.run(run_worker(settings))
    except (SettingsError, TemporalUnreachable) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(_EXIT_USAGE)


if __name__ == "__main__":
    main()
