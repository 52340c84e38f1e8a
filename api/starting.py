"""How an execution is started: checked at the door, bound to its key, handed to Temporal."""

import hashlib
from datetime import UTC, datetime

from activities.estimates import reservation_of
from api.bodies import canonical_json
from api.context import Services
from api.problems import budget_exceeded, invalid
from api.recordings import check_recordings
from api.schemas import ExecuteAnswer, ExecuteRequest, links_of
from ledger.errors import BudgetExceeded
from ledger.idempotency import KeyUse
from pipelines.errors import InvalidDefinition, Mistake
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
        Problem: 402 when the tenant's money does not allow it; nothing is kept.
        IdempotencyKeyReused: The key belongs to another body.
        RPCError: Temporal did not take the run, or did and could not say so. The reservation stands
            for its lease, and the same key may be tried again.
    """
    body = hashlib.sha256(canonical_json(request.model_dump(mode="json"))).hexdigest()
    use = None if key is None else KeyUse(key, body)
    if use is not None:
        earlier = await services.ledger.keys.find(tenant, use)
        if earlier is not None and earlier.answer is not None:
            return ExecuteAnswer.model_validate(earlier.answer), True
    definition = await services.catalogue.get(
        tenant, request.pipeline_name, request.pipeline_version
    )
    await _check_at_the_door(services, tenant, definition, request)
    run = PipelineInput(
        tenant_id=tenant,
        definition=definition,
        input_data=request.input_data,
        tags=request.tags,
        max_cost_usd=request.max_cost_usd,
    )
    expected = await services.estimates.estimate(tenant, definition, request.input_data)
    wanted = reservation_of(run.admission(new_execution_id()), expected)
    try:
        claim = await services.ledger.runs.reserve(wanted, use)
    except BudgetExceeded as error:
        raise budget_exceeded(error, expected.estimated_cost_usd) from None
    if claim.answer is not None:  # somebody with the same key was quicker
        return ExecuteAnswer.model_validate(claim.answer), True
    answer = ExecuteAnswer(
        execution_id=claim.execution_id,
        status=RunStatus.PENDING,
        pipeline_name=definition.name,
        pipeline_version=definition.version,
        estimated_cost_usd=expected.estimated_cost_usd,
        created_at=datetime.now(UTC),
        links=links_of(claim.execution_id),
    )
    await start_run(
        await services.temporal(),
        run,
        execution_id=claim.execution_id,
        task_queue=services.task_queue,
        priority=request.priority,
    )
    written = answer.model_dump(mode="json")
    if use is None or await services.ledger.keys.confirm(tenant, use, written):
        return answer, False
    confirmed = await services.ledger.keys.find(tenant, use)
    return ExecuteAnswer.model_validate(confirmed.answer if confirmed else written), True


async def _check_at_the_door(
    services: Services, tenant: str, definition: PipelineDefinition, request: ExecuteRequest
) -> None:
    try:
        check_supported(definition)
    except InvalidDefinition as error:
        # The body names the pipeline and holds none of it.
        raise invalid([Mistake("/pipeline_name", one.message) for one in error.mistakes]) from None
    check_input(definition, request.input_data)
    await check_recordings(services, tenant, definition, request.input_data)
