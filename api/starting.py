"""How an execution is started: checked at the door, bound to its key, handed to Temporal."""

import hashlib
from datetime import UTC, datetime

from api.bodies import canonical_json
from api.context import Services
from api.estimates import estimate_run
from api.problems import invalid
from api.recordings import check_recordings
from api.schemas import ExecuteAnswer, ExecuteRequest, links_of
from pipelines.errors import Mistake
from pipelines.inputs import check_input
from pipelines.model import PipelineDefinition
from pipelines.support import check_supported
from workflows.start import new_execution_id, start_run
from workflows.types import PipelineInput, RunStatus


async def start_execution(
    services: Services, tenant: str, request: ExecuteRequest, key: str | None
) -> tuple[ExecuteAnswer, bool]:
    """Start a run, or find the one that this key has started; tells whether it was found.

    Raises:
        PipelineNotFound: No such pipeline or version.
        InvalidInput: The input does not fit its schema.
        Problem: 422 for a recording that can be seen to be none.
        IdempotencyKeyReused: The key belongs to another body.
        RPCError: Temporal did not take the run; the same key may be tried again.
    """
    body = hashlib.sha256(canonical_json(request.model_dump(mode="json"))).hexdigest()
    if key is not None:
        earlier = await services.idempotency.find(tenant, key, body)
        if earlier is not None and earlier.answer is not None:
            return ExecuteAnswer.model_validate(earlier.answer), True
    definition = await services.catalogue.get(
        tenant, request.pipeline_name, request.pipeline_version
    )
    await _check_at_the_door(services, tenant, definition, request)
    expected = await estimate_run(services, tenant, definition, request.input_data)
    execution_id = new_execution_id()
    if key is not None:
        claim = await services.idempotency.claim(tenant, key, body, execution_id)
        execution_id = claim.execution_id
    answer = ExecuteAnswer(
        execution_id=execution_id,
        status=RunStatus.PENDING,
        pipeline_name=definition.name,
        pipeline_version=definition.version,
        estimated_cost_usd=expected.estimated_cost_usd,
        created_at=datetime.now(UTC),
        links=links_of(execution_id),
    )
    await start_run(
        await services.temporal(),
        PipelineInput(
            tenant_id=tenant,
            definition=definition,
            input_data=request.input_data,
            tags=request.tags,
        ),
        execution_id=execution_id,
        task_queue=services.task_queue,
        priority=request.priority,
    )
    if key is None:
        return answer, False
    if await services.idempotency.confirm(tenant, key, answer.model_dump(mode="json")):
        return answer, False
    confirmed = await services.idempotency.claim(tenant, key, body, execution_id)
    return ExecuteAnswer.model_validate(confirmed.answer), True


async def _check_at_the_door(
    services: Services, tenant: str, definition: PipelineDefinition, request: ExecuteRequest
) -> None:
    if request.max_cost_usd is not None:
        message = "A cap for one run is not supported yet. Leave 'max_cost_usd' out."
        raise invalid([Mistake("/max_cost_usd", message)])
    check_supported(definition)
    check_input(definition, request.input_data)
    await check_recordings(services, tenant, definition, request.input_data)
