"""A run as its watchers see it: the fold of its events. Pure; knows no terminal and no network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from cli.figures import count, decimal, epoch

ENDINGS = {
    "workflow_completed": "completed",
    "workflow_failed": "failed",
    "workflow_cancelled": "cancelled",
}


@dataclass
class Step:
    """One step.

    Attributes:
        status: As in the contract: pending, running, completed, failed, skipped, ….
        note: What a reader should know: why it was skipped, retried or given to another provider.
        activity: What the call under way says of itself; gone when the step ends.
        started: Seconds since the epoch.
        took: Seconds, once it has ended.
        cost: As reported at its end; before that `incurred` counts.
    """

    name: str
    capability: str | None = None
    status: str = "pending"
    provider: str | None = None
    model: str | None = None
    note: str | None = None
    activity: str | None = None
    started: float | None = None
    took: float | None = None
    cost: Decimal | None = None
    incurred: Decimal | None = None
    error: Mapping[str, Any] | None = None

    @property
    def spent(self) -> Decimal | None:
        """What it cost so far, None where that is not known."""
        return self.incurred if self.cost is None else self.cost

    @property
    def who(self) -> str:
        """The provider and its model."""
        return "/".join(part for part in (self.provider, self.model) if part)

    @classmethod
    def from_api(cls, body: Mapping[str, Any]) -> "Step":
        """Return the step as the API's `steps[]` shows it."""
        duration = body.get("duration_ms")
        error = body.get("error")
        step = cls(
            name=str(body.get("name")),
            capability=body.get("capability"),
            status=str(body.get("status") or "pending"),
            provider=body.get("provider"),
            model=body.get("model"),
            started=epoch(body.get("started_at")),
            took=duration / 1000 if isinstance(duration, int | float) else None,
            cost=decimal(body.get("cost_usd")),
            error=error if isinstance(error, dict) else None,
        )
        attempts = body.get("attempts")
        if step.error:
            step.note = step.error.get("message") or step.error.get("code")
        elif isinstance(attempts, int) and attempts > 1:
            step.note = count(attempts, "attempt")
        return step


@dataclass
class Run:
    """A run and its steps, in the order of the definition."""

    execution_id: str
    pipeline: str = ""
    version: str = ""
    status: str = "pending"
    percent: float = 0
    started: float | None = None
    ended: float | None = None
    cost: Decimal | None = None
    error: Mapping[str, Any] | None = None
    steps: dict[str, Step] = field(default_factory=dict)

    @classmethod
    def from_api(cls, body: Mapping[str, Any]) -> "Run":
        """Return the run as `GET /{execution_id}` shows it."""
        run = cls.unplayed(body)
        run.status = str(body.get("status") or "pending")
        run.percent = _number(body.get("progress_percent"))
        run.ended = epoch(body.get("completed_at"))
        run.cost = decimal(body.get("total_cost_usd"))
        run.error = body.get("error")
        run.steps = {step.name: step for step in map(Step.from_api, body.get("steps") or [])}
        return run

    @classmethod
    def unplayed(cls, body: Mapping[str, Any]) -> "Run":
        """Return the run before its first event: every step pending, for the events to fill in."""
        steps = [
            Step(str(step["name"]), step.get("capability")) for step in body.get("steps") or []
        ]
        return cls(
            execution_id=str(body.get("execution_id")),
            pipeline=str(body.get("pipeline_name") or ""),
            version=str(body.get("pipeline_version") or ""),
            started=epoch(body.get("started_at") or body.get("created_at")),
            steps={step.name: step for step in steps},
        )

    @property
    def title(self) -> str:
        """`name@version`."""
        return f"{self.pipeline}@{self.version}" if self.version else self.pipeline

    @property
    def spent(self) -> Decimal:
        """What is known to have been spent so far."""
        if self.cost is not None:
            return self.cost
        return sum((step.spent or Decimal(0) for step in self.steps.values()), Decimal(0))

    @property
    def over(self) -> bool:
        """Whether the last event has been seen."""
        return self.status in ENDINGS.values()

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take in one event, durable or hint."""
        self.pipeline = self.pipeline or str(event.get("pipeline_name") or "")
        self.percent = max(self.percent, _number(event.get("progress_percent")))
        kind = str(event.get("event_type"))
        if kind == "workflow_started":
            self.status = "running"
            self.started = epoch(event.get("timestamp")) or self.started
        elif kind in ENDINGS:
            self._end(ENDINGS[kind], event)
        elif name := event.get("step_name"):
            step = self.steps.setdefault(name, Step(name))
            _fold(step, kind, event)

    def _end(self, status: str, event: Mapping[str, Any]) -> None:
        self.status = status
        self.ended = epoch(event.get("timestamp"))
        self.cost = decimal(event.get("cost_usd"))
        self.error = event.get("error")
        for step in self.steps.values():
            if step.status == "running":
                step.status = "cancelled" if status == "cancelled" else step.status
                step.took = _between(step.started, self.ended)


def _fold(step: Step, kind: str, event: Mapping[str, Any]) -> None:
    """Take in an event of one step."""
    step.provider = event.get("provider") or step.provider
    step.model = event.get("model") or step.model
    if kind in _STEP_ENDINGS:
        _end_step(step, _STEP_ENDINGS[kind], event)
    elif kind == "cost_incurred":
        step.incurred = (step.incurred or Decimal(0)) + (decimal(event.get("cost_usd")) or 0)
    elif kind == "compensation_completed":
        step.status, step.note = "compensated", "undone"
    elif kind == "compensation_failed":
        step.note = f"could not be undone: {explanation(event)}"
    elif kind in {"step_started", "step_retrying", "progress_update"}:
        _go_on(step, kind, event)


_STEP_ENDINGS = {
    "step_completed": "completed",
    "step_failed": "failed",
    "step_skipped": "skipped",
}


def _end_step(step: Step, status: str, event: Mapping[str, Any]) -> None:
    step.status = status
    step.activity = None
    step.took = _between(step.started, epoch(event.get("timestamp")))
    step.cost = decimal(event.get("cost_usd"))
    if status != "completed":
        step.error = event.get("error")
        step.note = explanation(event) or step.note


def _go_on(step: Step, kind: str, event: Mapping[str, Any]) -> None:
    if step.status == "pending":
        step.status = "running"
    if step.status != "running":  # a hint that was overtaken
        return
    step.started = step.started or epoch(event.get("timestamp"))
    if kind == "step_retrying":
        step.note = _retry_note(event)
        step.activity = None
    elif event.get("event_id") is None:
        step.activity = event.get("message") or step.activity


def _retry_note(event: Mapping[str, Any]) -> str:
    data = event.get("data") or {}
    why = explanation(event)
    before = data.get("fallback_from")
    if isinstance(before, dict):
        before = "/".join(str(before[key]) for key in ("provider", "model") if before.get(key))
    if before:
        return f"instead of {before}: {why}" if why else f"instead of {before}"
    attempts = data.get("attempts") or event.get("attempt")
    tried = count(attempts, "attempt") if isinstance(attempts, int) else "tried again"
    return f"{tried}: {why}" if why else tried


def words(event: Mapping[str, Any]) -> str:
    """Return what an event says to a reader."""
    if event.get("event_type") == "step_retrying":
        return _retry_note(event)
    percent = event.get("progress_percent")
    if event.get("event_type") == "progress_update" and percent is not None:
        return f"{_number(percent):.0f} % {explanation(event)}".strip()
    return explanation(event)


def explanation(event: Mapping[str, Any]) -> str:
    """Return why, in words: the error's message, else the event's, else the error's code."""
    error = event.get("error") or {}
    return str(error.get("message") or event.get("message") or error.get("code") or "")


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else max(0.0, end - start)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
