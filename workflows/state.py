"""The state of a run, and every way in which it changes.

The workflow makes these changes as it decides; the projection makes the same ones as it reads the
workflow's history. So the `progress` query and what the API shows are one model, and every time in
it comes from a payload that both can see, never from a clock.
"""

from datetime import datetime
from decimal import Decimal

from activities.types import (
    CallFailure,
    CallProviderInput,
    CallProviderResult,
    Settlement,
    StepNote,
)
from pipelines.model import PipelineDefinition
from providers.types import Capability
from workflows.types import ExecutionStatus, RunStatus, StepState, StepStatus

# How much of a run's progress a step stands for, by what the capabilities usually take.
_WEIGHTS = {
    Capability.TRANSCRIPTION: 10,
    Capability.TRANSCRIPTION_DIARIZATION: 10,
    Capability.LLM_GENERATION: 3,
}
_ENDED = (StepState.COMPLETED, StepState.SKIPPED, StepState.COMPENSATED)


class ExecutionState:
    """Changes an `ExecutionStatus`, one transition at a time."""

    def __init__(
        self,
        execution_id: str,
        definition: PipelineDefinition,
        tags: dict[str, str],
        created_at: datetime,
    ) -> None:
        """Begin as pending, with every step pending."""
        self._optional = {step.name for step in definition.steps if step.optional}
        self._unknown: set[str] = set()
        self._parts: dict[str, tuple[int, int]] = {}  # items that have ended, and all of them
        self._last_part: dict[str, datetime] = {}
        self._steps = {
            step.name: StepStatus(name=step.name, capability=step.capability)
            for step in definition.steps
        }
        self.status = ExecutionStatus(
            execution_id=execution_id,
            status=RunStatus.PENDING,
            pipeline_name=definition.name,
            pipeline_version=definition.version,
            progress_percent=0,
            current_steps=[],
            steps=list(self._steps.values()),
            total_cost_usd=None,
            known_cost_usd=Decimal(0),
            created_at=created_at,
            started_at=None,
            completed_at=None,
            tags=tags,
            error=None,
        )

    def step(self, name: str) -> StepStatus:
        """Return one step."""
        return self._steps[name]

    def started(self, at: datetime) -> None:
        """Record that the first workflow task has begun."""
        self.status.status = RunStatus.RUNNING
        self.status.started_at = at

    def call_scheduled(self, call: CallProviderInput) -> None:
        """Record that a candidate is being asked."""
        step = self.step(call.step.name)
        if step.status == StepState.PENDING:
            step.status = StepState.RUNNING
            step.started_at = call.scheduled_at
        step.provider, step.model = call.candidate.provider, call.candidate.model
        step.attempts += 1
        if call.items is not None:
            self._parts.setdefault(step.name, (0, call.items))
        self._changed()

    def call_failed(self, call: CallProviderInput, failure: CallFailure) -> None:
        """Record how many attempts a call that was not answered has had, and their cost."""
        step = self.step(call.step.name)
        asked = failure.attempt - call.earlier_attempts
        step.attempts += asked - 1
        if asked:
            self._add_cost(step, failure.cost_usd)

    def call_completed(self, call: CallProviderInput, result: CallProviderResult) -> None:
        """Record an answer."""
        step = self.step(call.step.name)
        step.attempts += result.attempt - call.earlier_attempts - 1
        self._add_cost(step, result.cost_usd)
        self._part_done(step, call.items, result.completed_at)

    def noted(self, note: StepNote) -> None:
        """Record what was decided about a step, or about one of its items."""
        step = self.step(note.step)
        if note.outcome == "item_failed":
            self._part_done(step, note.items, note.at)
            return
        step.status = StepState(note.outcome)
        step.error = note.error
        self._end_step(step, note.at)

    def settled(self, settlement: Settlement) -> None:
        """Record the final account; the run ends with it."""
        self.status.total_cost_usd = settlement.total_cost_usd
        self.status.known_cost_usd = settlement.known_cost_usd
        self.status.error = settlement.error
        self.ended(RunStatus(settlement.status), settlement.completed_at)

    def ended(self, status: RunStatus, at: datetime) -> None:
        """Record the end; a step that was under way is cancelled."""
        for step in self.status.steps:
            if step.status == StepState.RUNNING:
                step.status = StepState.CANCELLED
                self._end_step(step, at)
        self.status.status = status
        self.status.completed_at = at
        if status == RunStatus.COMPLETED:
            self.status.progress_percent = 100

    def percent_with(self, step_name: str, fraction: float) -> float:
        """Return the progress when this fraction of one of a running step's calls is done."""
        weights = {step.name: _WEIGHTS.get(step.capability, 1) for step in self.status.steps}
        done = sum(weights[step.name] * self._done(step) for step in self.status.steps)
        _, items = self._parts.get(step_name, (0, 1))
        part = weights[step_name] * min(max(fraction, 0), 1) / items
        return round(100 * (done + part) / sum(weights.values()), 1)

    def _done(self, step: StepStatus) -> float:
        """Return which part of a step the run has behind it."""
        if self._is_done(step):
            return 1
        done, items = self._parts.get(step.name, (0, 1))
        return done / items

    def _part_done(self, step: StepStatus, items: int | None, at: datetime) -> None:
        """Record that one of a step's items, or the step that has none, has ended."""
        if items is not None:
            done, _ = self._parts.get(step.name, (0, items))
            self._parts[step.name] = (done + 1, items)
            # Items that end in one workflow task are taken note of in any order.
            at = self._last_part[step.name] = max(at, self._last_part.get(step.name, at))
            if done + 1 < items:
                self._changed()
                return
        step.status = StepState.COMPLETED
        self._end_step(step, at)

    def _is_done(self, step: StepStatus) -> bool:
        """Tell whether the run is past a step; it never gets past a failure that ends it."""
        failed = step.status == StepState.FAILED and step.name in self._optional
        return step.status in _ENDED or failed

    def _add_cost(self, step: StepStatus, cost: Decimal | None) -> None:
        """Add a call's cost; one that is unknown makes the step's unknown for good."""
        if cost is None:
            self._unknown.add(step.name)
        known = cost or Decimal(0)
        self.status.known_cost_usd += known
        total = (step.cost_usd or Decimal(0)) + known
        step.cost_usd = None if step.name in self._unknown else total

    def _end_step(self, step: StepStatus, at: datetime) -> None:
        step.completed_at = at
        if step.started_at is not None:
            step.duration_ms = max(0, round((at - step.started_at).total_seconds() * 1000))
        self._changed()

    def _changed(self) -> None:
        self.status.current_steps = [
            step.name for step in self.status.steps if step.status == StepState.RUNNING
        ]
        self.status.progress_percent = min(99.9, self.percent_with(self.status.steps[0].name, 0))
