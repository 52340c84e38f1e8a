"""The public types of a run: what starts it, what it looks like, how it ends."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from activities.types import AdmitInput, ErrorInfo
from pipelines.model import PipelineDefinition
from providers.types import Capability, Money, Value

WORKFLOW_TYPE = "PipelineWorkflow"
PROGRESS_QUERY = "progress"
CANCEL_SIGNAL = "cancel"
NOTES_MEMO = "notes"
"""Memo key of decisions that no command took along: a list of `StepNote`."""


class RunStatus(StrEnum):
    """How far a run is."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing will follow."""
        return self in (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class StepState(StrEnum):
    """How far a step is."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    COMPENSATED = "compensated"


class PipelineInput(Value):
    """What starts a run: the whole definition and its input.

    Attributes:
        max_cost_usd: A cap for this run; the definition's holds as well.
    """

    tenant_id: str
    definition: PipelineDefinition
    input_data: dict[str, Any]
    tags: dict[str, str] = Field(default_factory=dict)
    max_cost_usd: Money | None = None

    @property
    def cap_usd(self) -> Money | None:
        """The most that the run may spend; None where nothing bounds it."""
        caps = (self.max_cost_usd, self.definition.max_cost_usd)
        return min((cap for cap in caps if cap is not None), default=None)

    def admission(self, execution_id: str) -> AdmitInput:
        """Return what its admission is asked with."""
        return AdmitInput(
            tenant_id=self.tenant_id,
            execution_id=execution_id,
            definition=self.definition,
            input_data=self.input_data,
            tags=self.tags,
            max_cost_usd=self.cap_usd,
        )


class StepStatus(BaseModel):
    """One step of a run. `cost_usd` is null while nothing is known."""

    model_config = ConfigDict(extra="forbid")

    name: str
    capability: Capability
    status: StepState = StepState.PENDING
    provider: str | None = None
    model: str | None = None
    attempts: int = 0
    started_at: datetime | None = None
    completed_at: datetime | None = None
    duration_ms: int | None = None
    cost_usd: Money | None = None
    error: ErrorInfo | None = None


class ExecutionStatus(BaseModel):
    """A run: the body of `GET /{execution_id}` but for links, and the answer of the query."""

    model_config = ConfigDict(extra="forbid")

    execution_id: str
    status: RunStatus
    pipeline_name: str
    pipeline_version: str
    progress_percent: float
    current_steps: list[str]
    steps: list[StepStatus]
    total_cost_usd: Money | None
    known_cost_usd: Money
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    tags: dict[str, str]
    error: ErrorInfo | None

    @property
    def total_duration_ms(self) -> int:
        """From the run's creation to its end; 0 while it goes on."""
        ended = self.completed_at or self.created_at
        return max(0, round((ended - self.created_at).total_seconds() * 1000))


class RunResult(Value):
    """What a completed workflow returns."""

    output: dict[str, Any]
