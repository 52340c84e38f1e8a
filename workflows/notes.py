"""Decisions of the interpreter, on their way into history.

A decision travels with the next command. Where steps or items run side by side there may be none
for long; what no command has taken along within the same workflow task is written into the run's
memo. A run whose steps follow each other never needs that.
"""

import asyncio
from datetime import UTC, datetime

from temporalio import workflow

from activities.types import ErrorInfo, Outcome, StepNote
from workflows.details import describe_steps
from workflows.state import ExecutionState
from workflows.stopping import TURNS
from workflows.types import NOTES_MEMO


class Notes:
    """What was decided since the previous command."""

    def __init__(self, state: ExecutionState, *, side_by_side: bool) -> None:
        """Take the state to keep up to date, and whether there may be no command for long."""
        self._state = state
        self._side_by_side = side_by_side
        self._notes: list[StepNote] = []
        self._telling: asyncio.Task[None] | None = None

    def add(
        self,
        step: str,
        outcome: Outcome,
        message: str,
        error: ErrorInfo | None = None,
        *,
        item: int | None = None,
        items: int | None = None,
    ) -> None:
        """Note what became of a step, or of one of its items."""
        note = StepNote(
            step=step,
            outcome=outcome,
            error=error,
            message=message,
            item=item,
            items=items,
            at=now(),
        )
        self._notes.append(note)
        self._state.noted(note)
        self.show()
        if self._side_by_side and self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    def take(self) -> tuple[StepNote, ...]:
        """Hand over the decisions since the previous command."""
        notes = tuple(self._notes)
        self._notes.clear()
        return notes

    def show(self) -> None:
        """Let operators see the step table in Temporal's own UI."""
        workflow.set_current_details(describe_steps(self._state.status))

    async def _tell(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)
        self._telling = None
        if notes := self.take():
            workflow.upsert_memo({NOTES_MEMO: [note.model_dump(mode="json") for note in notes]})


def now() -> datetime:
    """Return the workflow's time in whole milliseconds, which survive every encoding."""
    return datetime.fromtimestamp(workflow.time_ns() // 1_000_000 / 1000, UTC)
