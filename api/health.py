"""Whether we and what we depend on are well; and the metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy import text
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from api.context import Services, ServicesOf
from api.schemas import PREFIX, PROBLEMS, ComponentHealth, Health
from connection import TemporalUnreachable
from ledger.database import reading
from observability.metrics import CONTENT_TYPE, render_metrics

_TIMEOUT = 2.0  # s for each component

router = APIRouter(tags=["health"], responses=PROBLEMS)
_UNWELL: dict[int | str, dict[str, Any]] = {503: {"model": Health}}


@router.get("/livez")
async def live() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses=_UNWELL)
@router.get(f"{PREFIX}/health", responses=_UNWELL)
async def health(services: ServicesOf, response: Response) -> Health:
    """Tell whether everything that a run needs answers; `503` when something does not."""
    names = list(_CHECKS)
    found = await asyncio.gather(*(_check(_CHECKS[name], services) for name in names))
    components = dict(zip(names, found, strict=True))
    well = all(component.status == "ok" for component in found)
    if not well:
        response.status_code = 503
    return Health(status="ok" if well else "unavailable", components=components)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics() -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(render_metrics(), media_type=CONTENT_TYPE)


async def _check(
    check: Callable[[Services], Awaitable[str | None]], services: Services
) -> ComponentHealth:
    try:
        async with asyncio.timeout(_TIMEOUT):
            problem = await check(services)
    except TimeoutError:
        problem = f"no answer within {_TIMEOUT:g} s"
    except TemporalUnreachable as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - that is what is reported
        problem = type(error).__name__
    return ComponentHealth(status="unavailable" if problem else "ok", detail=problem)


async def _temporal(services: Services) -> str | None:
    client = await services.temporal()
    well = await client.service_client.check_health(timeout=timedelta(seconds=_TIMEOUT))
    return None if well else "not serving"


async def _database(services: Services) -> str | None:
    async with reading(services.engine) as connection:
        # A constant would be answered without a look at the database.
        await connection.execute(text("SELECT version_num FROM alembic_version"))
    return None


async def _workers(services: Services) -> str | None:
    client = await services.temporal()
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=services.task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        ),
        timeout=timedelta(seconds=_TIMEOUT),
    )
    return None if answer.pollers else f"no worker polls the task queue '{services.task_queue}'"


async def _artifacts(services: Services) -> str | None:
    await services.artifacts.check()
    return None


_CHECKS = {
    "temporal": _temporal,
    "database": _database,
    "workers": _workers,
    "artifacts": _artifacts,
}
