"""Start, inspect and cancel executions."""

import asyncio
import re
from contextlib import aclosing, suppress
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from api.bodies import read_body
from api.context import ExecutionOf, Services, ServicesOf, Tenant
from api.problems import Problem
from api.schemas import (
    PREFIX,
    PROBLEMS,
    CancelAnswer,
    ExecuteAnswer,
    ExecuteRequest,
    ResultAnswer,
    RunningAnswer,
    StatusAnswer,
    links_of,
)
from api.starting import start_execution
from events.projection import Projection
from events.store import ExecutionNotFound, StoreClosed
from workflows.types import RunStatus

MAX_WAIT = 60  # s
_POLL_AFTER = "1"  # s
_MAX_KEY = 255

router = APIRouter(prefix=PREFIX, tags=["executions"], responses=PROBLEMS)


@router.post(
    "/execute",
    status_code=202,
    response_model=ExecuteAnswer,
    responses={
        200: {
            "model": ExecuteAnswer | ResultAnswer,
            "description": "A replay, or the result that was waited for.",
        }
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ExecuteRequest.model_json_schema()}},
        }
    },
)
async def execute(
    request: Request,
    services: ServicesOf,
    tenant: Tenant,
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
    prefer: Annotated[str | None, Header(alias="Prefer")] = None,
) -> ExecuteAnswer | Response:
    """Start a pipeline; with `Prefer: wait=N` answer with the result if it ends in time."""
    if idempotency_key is not None and not 0 < len(idempotency_key) <= _MAX_KEY:
        detail = f"Idempotency-Key takes 1 to {_MAX_KEY} characters."
        raise Problem(400, "malformed", detail)
    body = await read_body(request, ExecuteRequest)
    answer, replayed = await start_execution(services, tenant, body, idempotency_key)
    headers = {"Location": answer.links.self}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    wait = _preferred_wait(prefer)
    if wait is not None:
        # The run is started: whatever happens to the waiting, its id must reach the caller.
        with suppress(RPCError, ExecutionNotFound):
            projection = await _wait_for_end(services, answer.execution_id, wait)
            if projection.status.status.ended:
                headers["Preference-Applied"] = f"wait={wait:g}"
                return _json(_result(answer.execution_id, projection), 200, headers)
    return _json(answer, 200 if replayed else 202, headers)


@router.get("/{execution_id}")
async def get_status(execution: ExecutionOf, services: ServicesOf) -> StatusAnswer:
    """Tell how far an execution is."""
    status = await services.events.status(execution.id, execution.description)
    return StatusAnswer(**dict(status), links=links_of(execution.id))


@router.get(
    "/{execution_id}/result",
    response_model=ResultAnswer,
    responses={202: {"model": RunningAnswer, "description": "There is no result yet."}},
)
async def get_result(
    execution: ExecutionOf,
    services: ServicesOf,
    wait: Annotated[float, Query(ge=0)] = 0,
) -> Response:
    """Return the result; while the run goes on, wait up to `wait` seconds for it."""
    projection = await _wait_for_end(services, execution.id, wait)
    if projection.status.status.ended:
        return _json(_result(execution.id, projection), 200, {})
    answer = RunningAnswer(
        execution_id=execution.id,
        status=projection.status.status,
        progress_percent=projection.status.progress_percent,
        links=links_of(execution.id),
    )
    return _json(answer, 202, {"Retry-After": _POLL_AFTER})


@router.delete("/{execution_id}", status_code=202)
async def cancel(execution: ExecutionOf, services: ServicesOf) -> CancelAnswer:
    """Ask for the execution to be cancelled."""
    if execution.description.status != WorkflowExecutionStatus.RUNNING:
        raise _already_ended()
    handle = services.client.get_workflow_handle(execution.id)
    try:
        await handle.cancel(reason="asked for through the API")
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        # It has ended since it was looked at.
        raise _already_ended() from None
    status = await services.events.status(execution.id, execution.description)
    return CancelAnswer(
        execution_id=execution.id, status=status.status, links=links_of(execution.id)
    )


def _already_ended() -> Problem:
    return Problem(409, "already_ended", "The execution has ended already.")


def _preferred_wait(prefer: str | None) -> float | None:
    """Read the preference (RFC 7240, 4.3); one that can't be read is ignored, as it asks."""
    found = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d+)", prefer or "", re.IGNORECASE)
    return min(float(found[1]), MAX_WAIT) if found else None


async def _wait_for_end(services: Services, execution_id: str, wait: float) -> Projection:
    """Return the folded run, once it has ended or the time is up."""
    if wait:
        with suppress(TimeoutError, StoreClosed):
            async with (
                asyncio.timeout(min(wait, MAX_WAIT)),
                aclosing(services.events.subscribe(execution_id)) as events,
            ):
                async for _ in events:
                    pass
    projection, _ = await services.events.read(execution_id)
    return projection


def _result(execution_id: str, projection: Projection) -> ResultAnswer:
    status = projection.status
    return ResultAnswer(
        execution_id=execution_id,
        success=status.status == RunStatus.COMPLETED,
        status=status.status,
        output=projection.output,
        total_cost_usd=status.total_cost_usd,
        known_cost_usd=status.known_cost_usd,
        total_duration_ms=status.total_duration_ms,
        steps=status.steps,
        compensations=[],
        error=status.error,
    )


def _json(
    answer: ExecuteAnswer | ResultAnswer | RunningAnswer, status: int, headers: dict[str, str]
) -> Response:
    return Response(
        answer.model_dump_json(), status, headers=headers, media_type="application/json"
    )
