"""The front door in Python: run a pipeline, get its result.

By default a run is handed to a running Temporal and the workers that poll it. An orchestrator may
also bring a worker of its own, and with `embedded=True` the development server too. What it brings
lives as long as its `async with` block, or, without one, as long as each `execute`.

Keys never travel. Given to an orchestrator, they stay in its own worker, which polls a task queue
that only workers with the same keys share: nobody else's run is paid for with them, and a run that
was cut off goes on when an orchestrator with these keys is there again.
"""

import difflib
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

import structlog
from pydantic import ValidationError
from temporalio.client import Client

from activities.types import ErrorInfo
from connection import connect
from devserver import DevServerDescription, dev_server, free_port
from events.projection import Projection
from events.store import EventStore, install_event_store
from ledger.books import Ledger
from ledger.budgets import Budget
from ledger.database import create_engine, prepare_database
from ledger.service import LedgerBudgets
from observability import BudgetExceededException, BudgetService, get_ai_tracer
from observability.budget import install_budget_service
from observability.logs import log_to_stderr
from pipelines.catalogue import load_catalogue
from pipelines.inputs import check_input
from pipelines.model import CodeSetting, PipelineDefinition
from pipelines.support import check_supported
from pipelines.vocabulary import vocabulary_of
from providers.registry import build_registry
from settings import Settings
from worker import running_worker
from workflows.start import DEFAULT_PRIORITY, new_execution_id, start_run
from workflows.types import PipelineInput, RunStatus, StepStatus

_PROVIDERS_WITH_KEYS = ("accent", "anthropic", "deepgram", "openai")
_DEFAULT_TENANT = "default"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """How a run ended.

    Attributes:
        output: What a completed run returned; null otherwise.
        total_cost_usd: Null when a part is unknown; `known_cost_usd` is the rest.
        error: Of a run that did not complete.
    """

    execution_id: str
    success: bool
    status: RunStatus
    output: dict[str, Any] | None
    total_cost_usd: Decimal | None
    known_cost_usd: Decimal
    total_duration_ms: int
    steps: Sequence[StepStatus]
    error: ErrorInfo | None


class InstrumentedOrchestrator:
    """Runs pipelines, with a budget check and a trace around each run."""

    def __init__(
        self,
        api_keys: Mapping[str, str] | None = None,
        settings: Settings | None = None,
        *,
        own_worker: bool | None = None,
        embedded: bool = False,
    ) -> None:
        """Say what to run on; nothing is started yet.

        Args:
            api_keys: Keys by provider, for a worker of its own.
            settings: Default: `.env` and the environment.
            own_worker: Whether to bring a worker; default: when there are keys, or `embedded`.
            embedded: Whether to bring Temporal's development server; it forgets its runs when it
                stops.

        Raises:
            ValueError: The keys name an unknown provider, can't be sent, or would have to travel.
            SettingsError: A setting is wrong.
        """
        log_to_stderr()
        keys = dict(api_keys or {})
        self._own_worker = bool(keys or embedded) if own_worker is None else own_worker
        if keys and not self._own_worker:
            raise ValueError(
                "api_keys need a worker of its own, because keys never travel: leave out "
                "own_worker=False, or give the keys to the running workers as settings "
                "(OPENAI_API_KEY, …)."
            )
        if embedded and not self._own_worker:
            raise ValueError(
                "An embedded server has no other worker: leave out own_worker=False, "
                "or leave out embedded=True."
            )
        self._embedded = embedded
        self._settings = _with_keys(settings or Settings.load(), keys)
        self._session: _Session | None = None
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect, and start what this orchestrator brings.

        Raises:
            TemporalUnreachable: Nothing answers where Temporal should be.
            SettingsError: A definition or an installed package can't be used.
            DevServerError: The embedded server can't be started.
        """
        if self._session is not None:
            raise RuntimeError("This orchestrator is running already.")
        self._session = await self._running.enter_async_context(self._open())
        self._running.enter_context(_in_use(self, self._session))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop what was started. A run goes on where there is another worker for it."""
        self._session = None
        await self._running.aclose()

    async def execute(
        self,
        pipeline: PipelineDefinition,
        input_data: dict[str, Any],
        tenant_id: str = _DEFAULT_TENANT,
        *,
        tags: Mapping[str, str] | None = None,
        priority: int = DEFAULT_PRIORITY,
        max_cost_usd: Decimal | None = None,
    ) -> ExecutionResult:
        """Run a pipeline and wait for its end, however it ends.

        A caller who gives up (`asyncio.timeout`) leaves the run to go on.

        Args:
            pipeline: What to run; the run keeps it, whatever is registered later.
            input_data: What the pipeline's `input_schema` asks for.
            tenant_id: Who pays, and who may see the run.
            tags: What to find the run by.
            priority: From 1 (first) to 5.
            max_cost_usd: The most that this run may spend.

        Raises:
            InvalidDefinition: The pipeline says something that is not supported yet.
            InvalidInput: The input does not fit the pipeline's schema.
            BudgetExceededException: The tenant has nothing left. A run that needs more than what is
                left fails with code `budget_exceeded`.
            TemporalUnreachable: Nothing answers where Temporal should be.
        """
        check_supported(pipeline)
        check_input(pipeline, input_data)
        run = PipelineInput(
            tenant_id=tenant_id,
            definition=pipeline,
            input_data=input_data,
            tags=dict(tags or {}),
            max_cost_usd=max_cost_usd,
        )
        execution_id = new_execution_id()
        context = {"execution_id": execution_id, "tenant_id": tenant_id}
        async with get_ai_tracer().pipeline_span(pipeline, context), self._connected() as session:
            check = await session.budgets.check_budget(tenant_id)
            if not check.allowed:
                raise BudgetExceededException(check.message)
            return await session.execute(run, execution_id, priority)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator["_Session"]:
        if self._session is not None:
            yield self._session
            return
        async with self._open() as session:
            yield session

    @asynccontextmanager
    async def _open(self) -> AsyncIterator["_Session"]:
        settings = self._settings
        async with AsyncExitStack() as running:
            if self._embedded:
                settings.ai_data_dir.mkdir(parents=True, exist_ok=True)
                description = DevServerDescription.load().with_ports(free_port(), free_port())
                log_file = settings.ai_data_dir / "temporal.log"
                await running.enter_async_context(
                    dev_server(description, database=None, log=log_file)
                )
                client = await connect(target=description.target, namespace=description.namespace)
            else:
                client = await connect()
            await prepare_database(settings.database_url)
            engine = create_engine(settings.database_url)
            running.push_async_callback(engine.dispose)
            budgets = LedgerBudgets(Ledger(engine, Budget.of(settings)).budgets)
            session = _Session(client, settings.ai_task_queue, budgets)
            running.push_async_callback(session.events.close)
            if self._own_worker:
                registry = build_registry(settings)
                vocabulary = vocabulary_of(registry)
                catalogue = load_catalogue(settings.ai_pipelines_path, vocabulary)
                session.functions.update(catalogue.functions)
                await running.enter_async_context(
                    running_worker(client, settings, registry, session.functions)
                )
            yield session


class _Session:
    """A connection, and what runs over it need."""

    def __init__(self, client: Client, task_queue: str, budgets: BudgetService) -> None:
        self.budgets = budgets
        self.events = EventStore(client)
        self.functions: dict[str, Mapping[tuple[str, CodeSetting], Callable[..., Any]]] = {}
        self._client = client
        self._task_queue = task_queue

    async def execute(
        self, run: PipelineInput, execution_id: str, priority: int
    ) -> ExecutionResult:
        if run.definition.functions:
            self.functions[run.definition.id] = run.definition.functions
        await start_run(
            self._client,
            run,
            execution_id=execution_id,
            task_queue=self._task_queue,
            priority=priority,
        )
        log.info("run started", execution_id=execution_id, pipeline=run.definition.id)
        async for _ in self.events.subscribe(execution_id):
            pass
        projection, _ = await self.events.read(execution_id)
        return _result(execution_id, projection)


_running: InstrumentedOrchestrator | None = None


@contextmanager
def _in_use(orchestrator: InstrumentedOrchestrator, session: _Session) -> Iterator[None]:
    """Let the functions that return what is in use return these in the block."""
    global _running  # noqa: PLW0603 - the one place where a process keeps its orchestrator
    before, _running = _running, orchestrator
    store_before = install_event_store(session.events)
    budgets_before = install_budget_service(session.budgets)
    try:
        yield
    finally:
        _running = before
        install_event_store(store_before)
        install_budget_service(budgets_before)


def get_instrumented_orchestrator() -> InstrumentedOrchestrator:
    """Return the orchestrator whose block is open, or else one by the environment's settings."""
    return _running or InstrumentedOrchestrator()


def _result(execution_id: str, projection: Projection) -> ExecutionResult:
    status = projection.status
    return ExecutionResult(
        execution_id=execution_id,
        success=status.status == RunStatus.COMPLETED,
        status=status.status,
        output=projection.output,
        total_cost_usd=status.total_cost_usd,
        known_cost_usd=status.known_cost_usd,
        total_duration_ms=status.total_duration_ms,
        steps=tuple(status.steps),
        error=status.error,
    )


def _with_keys(settings: Settings, keys: dict[str, str]) -> Settings:
    """Return the settings of a worker that has these keys."""
    given = {}
    for provider, key in keys.items():
        name = f"{provider}_api_key"
        if provider not in _PROVIDERS_WITH_KEYS:
            near = difflib.get_close_matches(provider, _PROVIDERS_WITH_KEYS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            raise ValueError(
                f"api_keys names an unknown provider, '{provider}'.{hint} "
                f"Known: {', '.join(_PROVIDERS_WITH_KEYS)}."
            )
        if not isinstance(key, str) or not key:
            raise ValueError(
                f"api_keys['{provider}'] must be a key; leave it out if there is none."
            )
        given[name] = key
    if not keys:
        return settings
    queue = f"{settings.ai_task_queue}.{_fingerprint(keys)}"
    try:
        return Settings(**{**settings.model_dump(), **given, "ai_task_queue": queue})
    except ValidationError as error:
        wrong = str(error.errors(include_input=False)[0]["loc"][0]).removesuffix("_api_key")
        raise ValueError(
            f"api_keys['{wrong}'] can't be sent as a key: only ASCII characters without spaces can."
        ) from None


def _fingerprint(keys: dict[str, str]) -> str:
    """Tell sets of keys apart; too short to confirm a guess at a key."""
    text = json.dumps(keys, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=4, person=b"perdure-queue").hexdigest()
