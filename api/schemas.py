"""Bodies of requests and answers."""

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from activities.types import ErrorInfo, whole_ms
from pipelines.model import SEMANTIC_VERSION
from providers.types import Capability, CostUnit, Limits, Money, QualityTier
from settings import MAX_BUDGET_USD
from workflows.types import ExecutionStatus, RunStatus, StepStatus

PREFIX = "/api/v1/ai/pipelines"
PROBLEM_TYPE = "application/problem+json"
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem (RFC 9457).",
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
    }
}
"""What every router answers beside its own; `problems` adds the schema to the description."""

# Temporal's own query on SQLite ends in an error for a quotation mark and for U+0000, and finds no
# backslash (server 1.32, tried 2026-11-24).
_KEY = r'[^:"\\\x00-\x1f\x7f-\x9f]{1,64}'
_VALUE = r'[^"\\\x00-\x1f\x7f-\x9f]{1,128}'
TAG_KEY = f"^{_KEY}$"
TAG_VALUE = f"^{_VALUE}$"
TAG = f"^{_KEY}:{_VALUE}$"
"""How a list is asked for a tag: key, colon, value."""
NAME = r"^[a-z][a-z0-9_]{0,63}$"
FORMS = {
    TAG_KEY: "1 to 64 characters, without ':', '\"', '\\' and control characters",
    TAG_VALUE: "1 to 128 characters, without '\"', '\\' and control characters",
    TAG: "a tag as key:value, without '\"', '\\' and control characters",
    NAME: "a letter and up to 63 letters, digits or '_', all in lower case",
    SEMANTIC_VERSION: "a semantic version, such as 1.0.0",
}
"""What a pattern takes, in words."""

TagKey = Annotated[str, StringConstraints(pattern=TAG_KEY)]
TagValue = Annotated[str, StringConstraints(pattern=TAG_VALUE)]
MAX_TAGS = 20
# Temporal keeps a run's tags as one search attribute, of at most 2 KiB of JSON
# (limit.searchAttributesSizeOfValue, the default of server 1.32, as its error says).
_MAX_TAGS_BYTES = 2048


Moment = Annotated[datetime, AfterValidator(whole_ms)]
"""A time in an answer."""


class Body(BaseModel):
    """Base of every body: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class ExecuteRequest(Body):
    """What to run, on what; null is the same as absent."""

    pipeline_name: str
    pipeline_version: str | None = None
    input_data: dict[str, Any]
    tags: dict[TagKey, TagValue] = Field(default_factory=dict, max_length=MAX_TAGS)
    max_cost_usd: Annotated[Money, Field(gt=0, le=MAX_BUDGET_USD)] | None = None
    priority: int = Field(default=3, ge=1, le=5, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {
            name: value for name, value in body.items() if value is not None or name not in optional
        }

    @field_validator("tags")
    @classmethod
    def _fit_together(cls, tags: dict[str, str]) -> dict[str, str]:
        if len(json.dumps([f"{key}:{value}" for key, value in tags.items()])) > _MAX_TAGS_BYTES:
            raise ValueError(f"may have at most {_MAX_TAGS_BYTES} bytes together")
        return tags


class Links(Body):
    """Where to go on."""

    self: str
    result: str
    events: str
    cancel: str


def links_of(execution_id: str) -> Links:
    """Return an execution's links."""
    base = f"{PREFIX}/{execution_id}"
    return Links(self=base, result=f"{base}/result", events=f"{base}/events", cancel=base)


class ExecuteAnswer(Body):
    """An execution that was accepted."""

    execution_id: str
    status: RunStatus
    pipeline_name: str
    pipeline_version: str
    estimated_cost_usd: Money | None
    created_at: Moment
    links: Links


class StatusAnswer(ExecutionStatus):
    """How far an execution is."""

    links: Links


class RunningAnswer(Body):
    """There is no result yet."""

    execution_id: str
    status: RunStatus
    progress_percent: float
    links: Links


class ResultAnswer(Body):
    """How an execution ended."""

    execution_id: str
    success: bool
    status: RunStatus
    output: dict[str, Any] | None
    total_cost_usd: Money | None
    known_cost_usd: Money
    total_duration_ms: int
    steps: list[StepStatus]
    compensations: list[dict[str, Any]]
    error: ErrorInfo | None


class CancelAnswer(Body):
    """Cancellation was asked for; the run may still complete."""

    execution_id: str
    status: RunStatus
    links: Links


class ExecutionSummary(Body):
    """One line of the list of executions."""

    execution_id: str
    status: RunStatus
    pipeline_name: str
    pipeline_version: str
    created_at: Moment
    completed_at: Moment | None
    tags: dict[str, str]
    links: Links


class ExecutionList(Body):
    """Executions, newest first."""

    executions: list[ExecutionSummary]
    next_cursor: str | None


class PipelineSummary(Body):
    """One pipeline that can be run."""

    name: str
    version: str
    description: str
    capabilities: list[Capability]
    steps: list[str]
    input_schema: dict[str, Any]
    estimated_cost_usd: Money | None


class PipelineList(Body):
    """The pipelines that can be run."""

    pipelines: list[PipelineSummary]


class ProviderSummary(Body):
    """One capability of one provider.

    `price` is USD per `cost_unit`, null when unknown; for tokens, that of one uncached input token.
    """

    name: str
    capability: Capability
    model: str
    quality_tier: QualityTier
    cost_unit: CostUnit
    price: Money | None
    available: bool
    reason: str | None
    cooldown_until: Moment | None
    limits: Limits
    caveat: str | None


class ProviderList(Body):
    """Every offer of every provider."""

    providers: list[ProviderSummary]


class CapabilitySummary(Body):
    """What can be asked for, in the form of JSON Schemas, and whether anybody can do it."""

    name: Capability
    available: bool
    providers: list[str]
    request_schema: dict[str, Any]
    response_schema: dict[str, Any]


class CapabilityList(Body):
    """Every capability."""

    capabilities: list[CapabilitySummary]


class ArtifactAnswer(Body):
    """An upload that was stored."""

    artifact_url: str
    id: str
    size: int
    sha256: str
    media_type: str


class ComponentHealth(Body):
    """Whether one thing that we depend on answers."""

    status: str
    detail: str | None = None


class Health(Body):
    """Whether everything that we depend on answers."""

    status: str
    components: dict[str, ComponentHealth]


class ProblemMistake(Body):
    """One thing that is wrong."""

    pointer: str = Field(description="JSON pointer into the body.")
    message: str
    line: int | None = Field(default=None, description="Where it stands in a YAML body, from 1.")
    column: int | None = Field(default=None, description="Likewise.")


class ProblemBody(BaseModel):
    """Why there is no other answer (RFC 9457); some codes have more fields."""

    type: str
    title: str
    status: int
    code: str = Field(description="Stable: what a program may branch on.")
    detail: str = Field(description="One sentence or more for people.")
    errors: list[ProblemMistake] | None = None


class DefinitionMistake(Body):
    """One thing that is wrong in a definition; line and column in YAML only."""

    pointer: str
    message: str
    line: int | None
    column: int | None


class ValidationAnswer(Body):
    """Whether a definition can run, and everything that keeps it from it."""

    valid: bool
    errors: list[DefinitionMistake]
