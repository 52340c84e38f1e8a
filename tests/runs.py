"""Starts runs the way the API does, and waits for conditions with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from temporalio.client import Client, WorkflowHandle
from ulid import ULID

from activities.predicates import Functions
from ledger.books import Ledger
from ledger.reports import InvoiceLine
from pipelines.builder import Pipeline
from pipelines.model import PipelineDefinition
from providers.adapters.base import ProviderAdapter
from providers.registry import CapabilityRegistry
from providers.types import Capability
from workflows.search_attributes import search_attributes
from workflows.types import WORKFLOW_TYPE, ExecutionStatus, PipelineInput

DEADLINE = 20.0  # s


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """A worker and what it writes to."""

    client: Client
    task_queue: str
    registry: CapabilityRegistry
    ledger: Ledger
    stop: Callable[[], Awaitable[None]]

    async def lines_of(self, execution_id: str) -> Sequence[InvoiceLine]:
        """Return every attempt of a run, in order."""
        invoice = await self.ledger.reports.invoice(execution_id)
        assert invoice is not None, "the run was never admitted"
        return invoice.lines


class StartWorker(Protocol):
    """Starts a worker with these providers; it stops with the test."""

    async def __call__(
        self, *adapters: ProviderAdapter, functions: Functions | None = None
    ) -> RunningWorker: ...


class Queue(Protocol):
    """Where runs are started."""

    @property
    def client(self) -> Client: ...
    @property
    def task_queue(self) -> str: ...


@dataclass(frozen=True, slots=True)
class QueueOnly:
    """A queue that no worker polls yet."""

    client: Client
    task_queue: str


def redact_then_summarize(**summarize: Any) -> PipelineDefinition:
    """Two steps, retried fast; arguments are settings of the second step."""
    pipeline = (
        Pipeline("two_steps")
        .step("redact")
        .capability(Capability.PII_REDACTION)
        .with_retry(max_attempts=3, initial_interval=0.01)
        .output_as("redacted")
        .done()
        .step("summarize")
        .capability(Capability.SUMMARIZATION)
        .with_retry(max_attempts=2, initial_interval=0.01)
        .input_from("redacted")
        .output_as("summary")
        .done()
        .build()
    )
    first, second = pipeline.steps
    return pipeline.model_copy(update={"steps": (first, second.model_copy(update=summarize))})


async def start(
    worker: Queue, definition: PipelineDefinition, **fields: Any
) -> WorkflowHandle[Any, Any]:
    """Start a run with the input that the scripted providers expect."""
    run = PipelineInput(
        tenant_id="tenant-1",
        definition=definition,
        **{"input_data": {"text": "Jane called"}, **fields},
    )
    handle: WorkflowHandle[Any, Any] = await worker.client.start_workflow(
        WORKFLOW_TYPE,
        run,
        id=f"exec-{str(ULID()).lower()}",
        task_queue=worker.task_queue,
        search_attributes=search_attributes(run),
        static_summary=definition.id,
    )
    return handle


async def progress(handle: WorkflowHandle[Any, Any]) -> ExecutionStatus:
    """Ask the workflow itself."""
    status: ExecutionStatus = await handle.query("progress", result_type=ExecutionStatus)
    return status


async def eventually(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: It did not within the deadline.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DEADLINE
    while not await condition():
        assert loop.time() < deadline, f"not within {DEADLINE:g} s: {what}"
        await asyncio.sleep(0.02)


def plain(status: ExecutionStatus) -> dict[str, Any]:
    """Return a status in the form in which a difference can be read."""
    return status.model_dump(mode="json")
