"""List executions, from Temporal's own visibility."""

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Query
from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from api.context import ServicesOf, Tenant
from api.problems import Problem
from api.schemas import (
    NAME,
    PREFIX,
    PROBLEMS,
    TAG,
    ExecutionList,
    ExecutionSummary,
    links_of,
)
from workflows.search_attributes import (
    PIPELINE_NAME,
    PIPELINE_STATUS,
    PIPELINE_TAGS,
    PIPELINE_VERSION,
    TENANT_ID,
)
from workflows.types import WORKFLOW_TYPE, RunStatus

router = APIRouter(prefix=PREFIX, tags=["executions"], responses=PROBLEMS)

# What it says to a page token that it can't read.
_BAD_TOKEN = (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.UNKNOWN)
_GOING_ON = ("Running", "ContinuedAsNew")
_STATUS = {
    # A run that no worker has taken up yet is Running to Temporal's visibility, so a list can't
    # tell it from one that was: both are found by both names, and shown as running.
    RunStatus.PENDING: _GOING_ON,
    RunStatus.RUNNING: _GOING_ON,
    RunStatus.PAUSED: ("Running",),
    RunStatus.COMPLETED: ("Completed",),
    RunStatus.FAILED: ("Failed", "Terminated", "TimedOut"),
    RunStatus.CANCELLED: ("Canceled",),
}
_ENDED = {
    WorkflowExecutionStatus.COMPLETED: RunStatus.COMPLETED,
    WorkflowExecutionStatus.FAILED: RunStatus.FAILED,
    WorkflowExecutionStatus.TERMINATED: RunStatus.FAILED,
    WorkflowExecutionStatus.TIMED_OUT: RunStatus.FAILED,
    WorkflowExecutionStatus.CANCELED: RunStatus.CANCELLED,
}


@router.get("/executions")
async def list_executions(
    services: ServicesOf,
    tenant: Tenant,
    status: RunStatus | None = None,
    pipeline_name: Annotated[str | None, Query(pattern=NAME)] = None,
    tag: Annotated[str | None, Query(pattern=TAG)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: str | None = None,
) -> ExecutionList:
    """List the tenant's executions, newest first; a change is seen here a moment later."""
    client = await services.temporal()
    page = client.list_workflows(
        _query(tenant, status, pipeline_name, tag),
        page_size=limit,
        next_page_token=_token(cursor),
    )
    try:
        await page.fetch_next_page()
    except RPCError as error:
        if cursor is None or error.status not in _BAD_TOKEN:
            raise
        raise _bad_cursor() from None
    token = page.next_page_token
    return ExecutionList(
        executions=[_summary(execution) for execution in page.current_page or ()],
        next_cursor=base64.urlsafe_b64encode(token).decode() if token else None,
    )


def _query(
    tenant: str, status: RunStatus | None, pipeline_name: str | None, tag: str | None
) -> str:
    conditions = [f"WorkflowType = '{WORKFLOW_TYPE}'", f"{TENANT_ID.name} = '{tenant}'"]
    if status is not None:
        names = ", ".join(f"'{name}'" for name in _STATUS[status])
        conditions.append(f"ExecutionStatus IN ({names})")
    if status == RunStatus.PAUSED:
        conditions.append(f"{PIPELINE_STATUS.name} = 'paused'")
    if pipeline_name is not None:
        conditions.append(f"{PIPELINE_NAME.name} = '{pipeline_name}'")
    if tag is not None:
        quoted = tag.replace("'", "\\'")
        conditions.append(f"{PIPELINE_TAGS.name} = '{quoted}'")
    return " AND ".join(conditions)


def _token(cursor: str | None) -> bytes | None:
    if cursor is None:
        return None
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True)
    except binascii.Error:
        raise _bad_cursor() from None


def _bad_cursor() -> Problem:
    return Problem(400, "malformed", "'cursor' is not one that this list has given out.")


def _summary(execution: WorkflowExecution) -> ExecutionSummary:
    attributes = execution.typed_search_attributes
    tags = attributes.get(PIPELINE_TAGS) or ()
    running = (
        RunStatus.PAUSED
        if attributes.get(PIPELINE_STATUS) == RunStatus.PAUSED
        else RunStatus.RUNNING
    )
    return ExecutionSummary(
        execution_id=execution.id,
        status=_ENDED.get(execution.status, running) if execution.status else running,
        pipeline_name=attributes.get(PIPELINE_NAME) or "",
        pipeline_version=attributes.get(PIPELINE_VERSION) or "",
        created_at=execution.start_time,
        completed_at=execution.close_time,
        tags=dict(tag.split(":", 1) for tag in tags),
        links=links_of(execution.id),
    )
