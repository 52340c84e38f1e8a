"""What `perdure doctor` looks at beyond this process: Temporal, a worker, the API."""

from collections.abc import Sequence
from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from cli.checks import Check, Status
from cli.client import Api
from cli.errors import ApiProblemError, ApiUnreachableError
from connection import TemporalUnreachable, connect
from devserver import DevServerDescription
from settings import Settings

_TIMEOUT = timedelta(seconds=5)


async def check_temporal(settings: Settings | None) -> Sequence[Check]:
    """See whether Temporal answers, has what we need, and has a worker of ours."""
    try:
        client = await connect()
    except TemporalUnreachable as error:
        found, mend = _split(error)
        return [Check("Temporal", "problem", found.removeprefix("Temporal "), mend)]
    address = client.service_client.config.target_host
    try:
        checks = [await _check_namespace(client, address)]
        if checks[0].status == "ok" and settings is not None:
            checks.append(await _check_worker(client, settings.ai_task_queue))
    except RPCError as error:
        mend = "Look at TEMPORAL_API_KEY and the TEMPORAL_TLS_* settings."
        return [Check("Temporal", "problem", f"{address} answers: {error.message}", mend)]
    return checks


async def _check_namespace(client: Client, address: str) -> Check:
    namespace = client.namespace
    request = DescribeNamespaceRequest(namespace=namespace)
    try:
        await client.workflow_service.describe_namespace(request, timeout=_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        found = f"{address} has no namespace '{namespace}'"
        mend = f"temporal operator namespace create --namespace {namespace}"
        return Check("Temporal", "problem", found, f"`{mend}`, or set TEMPORAL_NAMESPACE.")
    answer = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=namespace), timeout=_TIMEOUT
    )
    wanted = DevServerDescription.load().search_attributes
    lacking = {name: kind for name, kind in wanted.items() if name not in answer.custom_attributes}
    if lacking:
        found = f"namespace '{namespace}' has no search attributes {', '.join(lacking)}"
        options = " ".join(f"--name {name} --type {kind}" for name, kind in lacking.items())
        mend = f"`temporal operator search-attribute create --namespace {namespace} {options}`"
        return Check("Temporal", "problem", found, mend)
    return Check("Temporal", "ok", f"{address} answers, namespace '{namespace}' is ready")


async def _check_worker(client: Client, queue: str) -> Check:
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
        ),
        timeout=_TIMEOUT,
    )
    if answer.pollers:
        return Check("worker", "ok", f"polls the task queue '{queue}'")
    mend = "`perdure worker` starts one, `perdure dev` everything."
    return Check("worker", "note", f"nobody polls the task queue '{queue}'", mend)


def check_api(api: Api, *, asked_for: bool) -> Check:
    """See whether the API answers and is well.

    Args:
        api: Where it should be.
        asked_for: Whether somebody has said that it is there.
    """
    status: Status = "problem" if asked_for else "note"
    try:
        api.health()
    except ApiUnreachableError as error:
        return Check("API", status, *_split(error))
    except ApiProblemError as error:
        return Check("API", status, f"{api.url} {_unwell(error)}", "See the other lines here.")
    return Check("API", "ok", f"{api.url} answers")


def _unwell(error: ApiProblemError) -> str:
    components = error.problem.get("components")
    if not isinstance(components, dict):
        return f"answers: {error.message}"
    details = [
        f"{name}: {component.get('detail')}"
        for name, component in components.items()
        if component.get("status") != "ok"
    ]
    return f"is not well: {'; '.join(details)}"


def _split(error: Exception) -> tuple[str, str]:
    """Part what is wrong from what to do about it, which our one-line errors have both."""
    found, _, mend = str(error).partition(": ")
    return found, f"{mend[:1].upper()}{mend[1:]}"
