"""The sweeper of reservations: a Temporal Schedule that runs a workflow of one activity.

It looks at every reservation that has outlived its lease. `PipelineWorkflow` settles its own; what
is left here are runs that were terminated, or never started.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from activities.types import SWEEP, Swept

SWEEP_WORKFLOW_TYPE = "ReservationSweep"
EVERY = timedelta(minutes=5)
_TIMEOUT = timedelta(minutes=4)
_ONCE = RetryPolicy(maximum_attempts=1)  # the next sweep tries again


@workflow.defn(name=SWEEP_WORKFLOW_TYPE)
class ReservationSweep:
    """Runs the sweep once. History: 11 events."""

    @workflow.run
    async def run(self) -> Swept:
        """Return what was done."""
        swept: Swept = await workflow.execute_activity(
            SWEEP,
            result_type=Swept,
            start_to_close_timeout=_TIMEOUT,
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=_ONCE,
            summary="reservations that have outlived their lease",
        )
        return swept


def sweep_schedule_id(task_queue: str) -> str:
    """Return the schedule's id: one for each task queue."""
    return f"{task_queue}-reservation-sweep"


async def ensure_sweep(client: Client, task_queue: str) -> None:
    """Create the schedule if it is not there; workers that start at once agree.

    Raises:
        RPCError: Temporal did not take it.
    """
    schedule = Schedule(
        action=ScheduleActionStartWorkflow(
            SWEEP_WORKFLOW_TYPE,
            id=sweep_schedule_id(task_queue),
            task_queue=task_queue,
            execution_timeout=EVERY,
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=EVERY)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP),
    )
    try:
        await client.create_schedule(sweep_schedule_id(task_queue), schedule)
    except ScheduleAlreadyRunningError:
        return
