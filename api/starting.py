"""How an execution is started: checked at the door, bound to its key, handed to Temporal."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from api.bodies import canonical_json
from api.context import Services
from api.problems import invalid
from api.schemas import ExecuteAnswer, ExecuteRequest, links_of
from artifacts.errors import ArtifactError
from artifacts.media import AUDIO_TYPES
from artifacts.store import SCHEME
from pipelines.errors import Mistake
from pipelines.inputs import check_input
from pipelines.model import PipelineDefinition
from pipelines.support import check_supported
from providers.registry import CapabilityRegistry
from providers.types import Capability, CostUnit
from workflows.start import new_execution_id, start_run
from workflows.types import PipelineInput, RunStatus

_SPEECH = (Capability.TRANSCRIPTION, Capability.TRANSCRIPTION_DIARIZATION)
_AUDIO_FIELD = "audio_url"


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
    definition = services.catalogue.get(request.pipeline_name, request.pipeline_version)
    await _check_at_the_door(services, tenant, definition, request)
    execution_id = new_execution_id()
    if key is not None:
        claim = await services.idempotency.claim(tenant, key, body, execution_id)
        execution_id = claim.execution_id
    answer = ExecuteAnswer(
        execution_id=execution_id,
        status=RunStatus.PENDING,
        pipeline_name=definition.name,
        pipeline_version=definition.version,
        estimated_cost_usd=estimate(definition, services.registry),
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


def estimate(definition: PipelineDefinition, registry: CapabilityRegistry) -> Decimal | None:
    """Return what a run is expected to cost in USD; None when a part can't be told beforehand."""
    for step in definition.steps:
        chain = registry.build_fallback_chain(step.capability, preferred=step.providers)
        if chain and chain[0].cost_unit != CostUnit.FREE:
            return None
    return Decimal(0)


async def _check_at_the_door(
    services: Services, tenant: str, definition: PipelineDefinition, request: ExecuteRequest
) -> None:
    if request.max_cost_usd is not None:
        message = "A cap for one run is not supported yet. Leave 'max_cost_usd' out."
        raise invalid([Mistake("/max_cost_usd", message)])
    check_supported(definition)
    check_input(definition, request.input_data)
    mistakes = []
    for name in _recordings(definition):
        reason = await _why_no_recording(services, tenant, request.input_data.get(name))
        if reason is not None:
            mistakes.append(Mistake(f"/input_data/{name}", reason))
    if mistakes:
        raise invalid(mistakes)


def _recordings(definition: PipelineDefinition) -> list[str]:
    """Name the keys of the input that a step reads a recording from."""
    made = {step.output_key for step in definition.steps}
    read = {
        step.input if isinstance(step.input, str) else _AUDIO_FIELD
        for step in definition.steps
        if step.capability in _SPEECH
    }
    return sorted(read - made)


async def _why_no_recording(services: Services, tenant: str, url: Any) -> str | None:
    if not isinstance(url, str):
        return None
    try:
        if not url.startswith(SCHEME):
            services.fetcher.check_url(url)
            return None
        artifact = await services.artifacts.get(tenant, url.removeprefix(SCHEME))
    except ArtifactError as error:
        return error.message
    if artifact.media_type in AUDIO_TYPES:
        return None
    return (
        "The upload is not a recording that can be read: "
        "expected WAV, FLAC, MP3, Ogg, Opus, M4A, WebM or AIFF."
    )
