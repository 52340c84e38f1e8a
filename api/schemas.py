"""Bodies of requests and answers."""

import json
from datetime import date, datetime
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
from ledger.accounts import AttemptState
from pipelines.model import SEMANTIC_VERSION
from providers.types import Capability, CostUnit, Limits, Money, QualityTier
from settings import MAX_BUDGET_USD, BudgetPolicy
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
MONTH = r"^[1-9][0-9]{3}-(0[1-9]|1[0-2])$"
DAY = r"^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
FORMS = {
    TAG_KEY: "1 to 64 characters, without ':', '\"', '\\' and control characters",
    TAG_VALUE: "1 to 128 characters, without '\"', '\\' and control characters",
    TAG: "a tag as key:value, without '\"', '\\' and control characters",
    NAME: "a letter and up to 63 letters, digits or '_', all in lower case",
    MONTH: "a month, such as 2026-11",
    DAY: "a day, such as 2026-11-30",
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
Limit = Annotated[Money, Field(ge=0, le=MAX_BUDGET_USD, decimal_places=12)]
"""An amount in a request, as exact as the ledger is."""


class Body(BaseModel):
    """Base of every body: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class ExecuteRequest(Body):
    """What to run, on what; null is the same as absent."""

    pipeline_name: str
    pipeline_version: str | None = None
    input_data: dict[str, Any]
    tags: dict[TagKey, TagValue] = Field(default_factory=dict, max_length=MAX_TAGS)
    max_cost_usd: Annotated[Limit, Field(gt=0)] | None = None
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


class BudgetRequest(Body):
    """What a tenant may spend in each month; without a policy it keeps the one that it has."""

    limit_usd: Limit
    policy: BudgetPolicy | None = None


class BudgetStatus(Body):
    """How a tenant's month stands; limit and policy are those of today."""

    tenant_id: str
    limit_usd: Money
    spent_usd: Money = Field(description="On the runs that were admitted in the month.")
    reserved_usd: Money = Field(description="What runs that are under way may still spend.")
    remaining_usd: Money = Field(description="What is neither; 0 when the limit is passed.")
    policy: BudgetPolicy
    period_start: Moment
    period_end: Moment = Field(description="The first moment that is no part of it.")
    resets_at: Moment


class SpendGroup(Body):
    """What one group has spent; only the keys that were asked for are there."""

    day: str | None = Field(default=None, description="That of the run's admission, in UTC.")
    pipeline: str | None = Field(default=None, description="As name@version.")
    provider: str | None = None
    model: str | None = None
    step: str | None = None
    tag: str | None = Field(default=None, description="As key:value; null without tags.")
    cost_usd: Money
    calls: int


class SpendAnswer(Body):
    """What the runs that were admitted on some days have cost; groups, the dearest first."""

    total_usd: Money = Field(description="The part that is known.")
    unconfirmed_usd: Money | None = Field(
        description="The most that attempts may have cost of which nobody knows whether they were "
        "sold; null when that is unknown."
    )
    unpriced_calls: int = Field(description="Calls whose price is unknown; no part of any sum.")
    groups: list[SpendGroup]


class CostLine(Body):
    """One attempt at a call."""

    step: str
    item: int | None = Field(description="Which item of a for_each, from 0.")
    candidate: int = Field(description="The place in the step's chain, from 0.")
    provider: str
    model: str
    call_id: str
    attempt: int = Field(description="From 1, over all workers.")
    state: AttemptState
    outcome: str | None = Field(description="'success', or an error's code; null while open.")
    usage: dict[str, Any] | None
    unit_prices: dict[str, Money] | None = Field(
        description="USD for each unit; for tokens, by the million."
    )
    price_source: str | None
    cost_usd: Money | None = Field(description="0 where it surely cost nothing; null if unknown.")
    bound_usd: Money | None = Field(description="The most that it may cost, where that is known.")
    duplicate: bool = Field(description="Whether the call had been answered, and paid, before.")
    opened_at: Moment
    entered_at: Moment | None = Field(description="When its cost was entered.")


class CostsAnswer(Body):
    """The invoice of one execution, as of now."""

    execution_id: str
    pipeline_name: str
    pipeline_version: str
    admitted_on: date | None = Field(description="Its month pays; null if it was not admitted.")
    ended_at: Moment | None = Field(description="Null while it runs, and where Temporal forgot it.")
    total_cost_usd: Money | None = Field(description="Null when a part is unknown.")
    known_cost_usd: Money
    lines: list[CostLine]


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
