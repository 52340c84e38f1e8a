"""Live hints: what has not reached history yet, from pending activities and their heartbeats."""

from collections.abc import Iterable
from datetime import UTC, datetime

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.converter import DataConverter

from events.history import error_of
from events.projection import Projection
from events.types import EventType, PipelineEvent


class Hints:
    """Compares pending activities with what was told already."""

    def __init__(self, projection: Projection, converter: DataConverter) -> None:
        """Take the projection that the hints refer to."""
        self._projection = projection
        self._converter = converter
        self._told: dict[str, tuple[int, float]] = {}

    async def of(self, activities: Iterable[PendingActivityInfo]) -> list[PipelineEvent]:
        """Return the hints that pending activities give now."""
        hints = []
        for activity in activities:
            call = self._projection.open_call(activity.activity_id)
            if call is None:
                continue
            attempt, fraction = self._told.get(activity.activity_id, (1, 0.0))
            beat = await self._fraction(activity)
            self._told[activity.activity_id] = (activity.attempt, beat)
            now = datetime.now(UTC)
            if activity.attempt > attempt:
                failed = activity.HasField("last_failure")
                hints.append(
                    self._projection.event(
                        EventType.STEP_RETRYING,
                        now,
                        call=call,
                        attempt=activity.attempt,
                        message=activity.last_failure.message if failed else None,
                        error=error_of(activity.last_failure) if failed else None,
                        progress_percent=self._projection.status.progress_percent,
                    )
                )
            if beat > fraction:
                hints.append(
                    self._projection.event(
                        EventType.PROGRESS_UPDATE,
                        now,
                        call=call,
                        attempt=activity.attempt,
                        progress_percent=self._projection.percent_with(call, beat),
                    )
                )
        return hints

    async def _fraction(self, activity: PendingActivityInfo) -> float:
        if not activity.heartbeat_details.payloads:
            return 0.0
        decoded = await self._converter.decode(activity.heartbeat_details.payloads, [float])
        return float(decoded[0])
