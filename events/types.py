"""What a subscriber receives."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from activities.types import ErrorInfo
from providers.types import Money


class EventType(StrEnum):
    """What happened."""

    WORKFLOW_STARTED = "workflow_started"
    WORKFLOW_COMPLETED = "workflow_completed"
    WORKFLOW_FAILED = "workflow_failed"
    WORKFLOW_CANCELLED = "workflow_cancelled"
    STEP_STARTED = "step_started"
    STEP_COMPLETED = "step_completed"
    STEP_FAILED = "step_failed"
    STEP_SKIPPED = "step_skipped"
    STEP_RETRYING = "step_retrying"
    PROGRESS_UPDATE = "progress_update"
    COST_INCURRED = "cost_incurred"
    COMPENSATION_STARTED = "compensation_started"
    COMPENSATION_COMPLETED = "compensation_completed"
    COMPENSATION_FAILED = "compensation_failed"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing follows."""
        return self in _TERMINAL


_TERMINAL = (
    EventType.WORKFLOW_COMPLETED,
    EventType.WORKFLOW_FAILED,
    EventType.WORKFLOW_CANCELLED,
)


class PipelineEvent(BaseModel):
    """One event of one run.

    Attributes:
        event_id: `generation.event.index`; null for a live hint, which is not replayed.
        progress_percent: Of the whole run; never falls within a stream.
        cost_usd: Of this call, for `cost_incurred` and `step_completed`; of the run at its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_id: str | None
    event_type: EventType
    execution_id: str
    timestamp: datetime
    pipeline_name: str
    step_name: str | None = None
    provider: str | None = None
    model: str | None = None
    attempt: int | None = None
    progress_percent: float
    cost_usd: Money | None = None
    message: str | None = None
    error: ErrorInfo | None = None
    data: dict[str, Any] | None = None
