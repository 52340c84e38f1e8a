"""`PipelineWorkflow`: the only workflow type that users need.

Id: the execution's id. Signal `cancel(reason)`. Query `progress`. History: 9 events and 6 for each
provider call that succeeds; nothing is written for a step that is skipped.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from activities.types import (
        ADMIT,
        REQUEST_CANCELLATION,
        SETTLE,
        Admission,
        AdmitInput,
        ErrorInfo,
        Probed,
        ProbeInput,
        SettleInput,
        Settlement,
        whole_ms,
    )
    from workflows.calls import LOCAL_RETRY, LOCAL_TIMEOUT, error_of, start_probe
    from workflows.interpreter import Interpreter, StepFailed
    from workflows.notes import now
    from workflows.state import ExecutionState
    from workflows.stopping import Stopped, Stopping
    from workflows.types import (
        CANCEL_SIGNAL,
        PROGRESS_QUERY,
        WORKFLOW_TYPE,
        ExecutionStatus,
        PipelineInput,
        RunResult,
    )


@workflow.defn(name=WORKFLOW_TYPE)
class PipelineWorkflow:
    """Admits a run, executes its steps, settles it."""

    @workflow.init
    def __init__(self, run: PipelineInput) -> None:
        """Begin as pending; queries are answered from here on."""
        self._run = run
        info = workflow.info()
        self._state = ExecutionState(
            info.workflow_id, run.definition, run.tags, whole_ms(info.workflow_start_time)
        )
        self._stopping = Stopping(run.definition.timeout)
        self._interpreter: Interpreter | None = None

    @workflow.run
    async def run(self, run: PipelineInput) -> RunResult:
        """Run the pipeline.

        Raises:
            ApplicationError: The run failed; its type is the error's code.
            asyncio.CancelledError: The run was cancelled and is settled.
        """
        self._state.started(now())
        work = asyncio.create_task(self._work(run))
        self._timer = asyncio.create_task(
            workflow.sleep(run.definition.timeout, summary="the run's timeout")
        )
        await self._see_through(work)
        self._timer.cancel()
        outcome = work.result()
        closing = asyncio.create_task(self._close(outcome))
        await self._see_through(closing)
        closing.result()
        if isinstance(outcome, RunResult):
            return outcome
        if outcome.cancelled:
            raise asyncio.CancelledError
        error = outcome.error
        raise ApplicationError(error.message, error, type=error.code, non_retryable=True)

    @workflow.query(name=PROGRESS_QUERY)
    def progress(self) -> ExecutionStatus:
        """Return how far the run is."""
        return self._state.status

    @workflow.signal(name=CANCEL_SIGNAL)
    async def cancel(self, reason: str = "") -> None:
        """Ask Temporal to cancel this workflow: the same path as any other cancellation."""
        await workflow.execute_local_activity(
            REQUEST_CANCELLATION,
            reason,
            start_to_close_timeout=LOCAL_TIMEOUT,
            retry_policy=LOCAL_RETRY,
        )

    async def _see_through(self, work: "asyncio.Task[Any]") -> None:
        """Wait for a task that nothing interrupts; what must stop is told so and ends by itself."""
        while not work.done():
            try:
                await workflow.wait(
                    [task for task in (work, self._timer) if not task.done()],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            except asyncio.CancelledError:
                if workflow.cancellation_reason() is None:
                    raise  # the worker forgets this workflow; it will be replayed
            await self._stopping.abort()

    async def _work(self, run: PipelineInput) -> "RunResult | Unfinished":
        """Admit and interpret."""
        try:
            admission = await self._admit(run)
            self._interpreter = Interpreter(run, admission, self._state, self._stopping)
            await self._interpreter.execute()
            return await self._interpreter.result()
        except Stopped as stopped:
            return Unfinished(stopped.error, cancelled=stopped.cancelled)
        except StepFailed as failed:
            return Unfinished(failed.error)
        except FailureError as problem:
            return Unfinished(error_of(problem))

    async def _admit(self, run: PipelineInput) -> Admission:
        asked = run.admission(workflow.info().workflow_id)
        admission = await self._ask_for_admission(asked)
        if not admission.to_probe:
            return admission
        probed = await self._probe(admission.to_probe)
        return await self._ask_for_admission(asked.model_copy(update={"probed": probed}))

    async def _probe(self, urls: tuple[str, ...]) -> Probed:
        self._stopping.check()
        return await self._stopping.watch(start_probe(ProbeInput(urls=urls)))

    async def _ask_for_admission(self, asked: AdmitInput) -> Admission:
        self._stopping.check()
        return await self._stopping.watch(
            workflow.start_local_activity(
                ADMIT,
                asked,
                result_type=Admission,
                start_to_close_timeout=LOCAL_TIMEOUT,
                retry_policy=LOCAL_RETRY,
            )
        )

    async def _close(self, outcome: "RunResult | Unfinished") -> None:
        """Settle, and let the signal handlers end."""
        unfinished = outcome if isinstance(outcome, Unfinished) else None
        settlement = await workflow.execute_local_activity(
            SETTLE,
            SettleInput(
                tenant_id=self._run.tenant_id,
                execution_id=workflow.info().workflow_id,
                pipeline_name=self._run.definition.name,
                status=unfinished.status if unfinished else "completed",
                error=unfinished.error if unfinished else None,
                started_at=self._state.status.started_at or now(),
                notes=self._interpreter.take_notes() if self._interpreter else (),
            ),
            result_type=Settlement,
            start_to_close_timeout=LOCAL_TIMEOUT,
            retry_policy=LOCAL_RETRY,
        )
        self._state.settled(settlement)
        await workflow.wait_condition(workflow.all_handlers_finished)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Why a run has no result."""

    error: ErrorInfo
    cancelled: bool = False

    @property
    def status(self) -> Literal["failed", "cancelled"]:
        """How the run ends."""
        return "cancelled" if self.cancelled else "failed"
