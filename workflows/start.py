"""How a run is started, by whoever has a client: its id, its options, its search attributes."""

from temporalio.client import Client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from ulid import ULID

from workflows.search_attributes import search_attributes
from workflows.types import WORKFLOW_TYPE, PipelineInput

DEFAULT_PRIORITY = 3
"""From 1 (first) to 5."""


def new_execution_id() -> str:
    """Return an id that nobody has: `exec-` and a ULID."""
    return f"exec-{str(ULID()).lower()}"


async def start_run(
    client: Client,
    run: PipelineInput,
    *,
    execution_id: str,
    task_queue: str,
    priority: int = DEFAULT_PRIORITY,
) -> None:
    """Start a run. Idempotent by its id, also when that run has ended already.

    Raises:
        RPCError: Temporal did not take the run; the same id may be tried again.
    """
    try:
        await client.start_workflow(
            WORKFLOW_TYPE,
            run,
            id=execution_id,
            task_queue=task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            search_attributes=search_attributes(run),
            static_summary=run.definition.id,
            priority=Priority(priority_key=priority, fairness_key=run.tenant_id),
        )
    except WorkflowAlreadyStartedError:
        return
