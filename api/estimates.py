"""What a run would cost, without running it."""

import json
from typing import Any, Self

from fastapi import APIRouter, Request
from pydantic import Field, model_validator

from api.bodies import read_body
from api.context import Services, ServicesOf, Tenant
from api.problems import invalid
from api.recordings import check_recordings
from api.schemas import PREFIX, PROBLEMS, Body
from pipelines.check import check_document
from pipelines.document import read_json
from pipelines.errors import InvalidDefinition, Mistake
from pipelines.estimate import Estimate
from pipelines.inputs import check_input
from pipelines.model import PipelineDefinition
from pipelines.vocabulary import vocabulary_of

router = APIRouter(prefix=PREFIX, tags=["catalog"], responses=PROBLEMS)


class EstimateRequest(Body):
    """What would run, by name or as a definition of its own, on what."""

    pipeline_name: str | None = None
    pipeline_version: str | None = Field(default=None, description="Absent: the newest.")
    definition: dict[str, Any] | None = None
    input_data: dict[str, Any]

    @model_validator(mode="after")
    def _one_pipeline(self) -> Self:
        if (self.pipeline_name is None) == (self.definition is None):
            raise ValueError("must have exactly one of 'pipeline_name' and 'definition'")
        if self.pipeline_version is not None and self.pipeline_name is None:
            raise ValueError("may have 'pipeline_version' only beside 'pipeline_name'")
        return self


class EstimateAnswer(Estimate):
    """What it would cost."""

    pipeline_name: str
    pipeline_version: str


@router.post(
    "/estimate",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": EstimateRequest.model_json_schema()}},
        }
    },
)
async def estimate_cost(request: Request, services: ServicesOf, tenant: Tenant) -> EstimateAnswer:
    """Tell what a run would cost: for each step who would be asked, at which price."""
    body = await read_body(request, EstimateRequest)
    definition = await _definition(services, tenant, body)
    check_input(definition, body.input_data)
    await check_recordings(services, tenant, definition, body.input_data)
    found = await services.estimates.estimate(tenant, definition, body.input_data)
    return EstimateAnswer(
        **dict(found), pipeline_name=definition.name, pipeline_version=definition.version
    )


async def _definition(services: Services, tenant: str, body: EstimateRequest) -> PipelineDefinition:
    if body.pipeline_name is not None:
        return await services.catalogue.get(tenant, body.pipeline_name, body.pipeline_version)
    try:
        # As text, since the bounds of a definition are looked at when it is read.
        document = read_json(json.dumps(body.definition))
        return check_document(document, vocabulary_of(services.registry))
    except InvalidDefinition as error:
        raise invalid(
            [Mistake(f"/definition{one.pointer}", one.message) for one in error.mistakes]
        ) from None
