"""`PipelineWorkflow`: the only workflow type that users need.

Id: the execution's id. Signal `cancel(reason)`. Query `progress`. History: 9 events and 6 for each
provider call that succeeds; nothing is written for a step that is skipped.
"""

import asyncio
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.types import (
        ADMIT,
        REQUEST_CANCELLATION,
        SETTLE,
        Admission,
        AdmitInput,
        ErrorInfo,
        SettleInput,
        Settlement,
    )
    from workflows.interpreter import Interpreter, StepFailed, now
    from workflows.state import ExecutionState
    from workflows.types import (
        CANCEL_SIGNAL,
        PROGRESS_QUERY,
        WORKFLOW_TYPE,
        ExecutionStatus,
        PipelineInput,
        RunResult,
    )

_LOCAL_TIMEOUT = timedelta(seconds=10)
_LOCAL_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200))


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
        self._interpreter: Interpreter | None = None

    @workflow.run
    async def run(self, run: PipelineInput) -> RunResult:
        """Run the pipeline.

        Raises:
            ApplicationError: The run failed; its type is the error's code.
            asyncio.CancelledError: The run was cancelled and is settled.
        """
        self._state.started(now())
        error: ErrorInfo | None = None
        cancelled: BaseException | None = None
        result: RunResult | None = None
        try:
            result = await self._execute(run)
        except StepFailed as failure:
            error = failure.error
        except (asyncio.CancelledError, FailureError) as problem:
            if is_cancelled_exception(problem):
                cancelled = problem
                error = ErrorInfo(code="cancelled", message=_reason())
            else:
                error = ErrorInfo(code="internal", message=str(problem.__cause__ or problem))
        # Temporal delivers a cancellation once: what follows is not interrupted.
        await self._settle(result, error, cancelled)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if cancelled is not None:
            raise cancelled
        if result is None:
            assert error is not None  # noqa: S101 - one of the three is set
            raise ApplicationError(error.message, error, type=error.code, non_retryable=True)
        return result

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
            start_to_close_timeout=_LOCAL_TIMEOUT,
            retry_policy=_LOCAL_RETRY,
        )

    async def _execute(self, run: PipelineInput) -> RunResult:
        """Admit and interpret, within the definition's timeout."""
        work = asyncio.create_task(self._admit_and_interpret(run))
        timer = asyncio.create_task(
            workflow.sleep(run.definition.timeout, summary="the run's timeout")
        )
        try:
            await workflow.wait([work, timer], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            timer.cancel()
            await _abort(work)
            raise
        if work.done():
            timer.cancel()
            return work.result()
        await _abort(work)
        message = f"The run took longer than {run.definition.timeout:g} s."
        raise StepFailed(ErrorInfo(code="timed_out", message=message))

    async def _admit_and_interpret(self, run: PipelineInput) -> RunResult:
        admission = await workflow.execute_local_activity(
            ADMIT,
            AdmitInput(
                tenant_id=run.tenant_id,
                execution_id=workflow.info().workflow_id,
                definition=run.definition,
            ),
            result_type=Admission,
            start_to_close_timeout=_LOCAL_TIMEOUT,
            retry_policy=_LOCAL_RETRY,
        )
        self._interpreter = Interpreter(run, admission, self._state)
        await self._interpreter.execute()
        return RunResult(output=self._interpreter.output())

    async def _settle(
        self,
        result: RunResult | None,
        error: ErrorInfo | None,
        cancelled: BaseException | None,
    ) -> None:
        settlement = await workflow.execute_local_activity(
            SETTLE,
            SettleInput(
                tenant_id=self._run.tenant_id,
                execution_id=workflow.info().workflow_id,
                pipeline_name=self._run.definition.name,
                status="cancelled" if cancelled else "completed" if result else "failed",
                error=error,
                started_at=self._state.status.started_at or now(),
                notes=self._interpreter.take_notes() if self._interpreter else (),
            ),
            result_type=Settlement,
            start_to_close_timeout=_LOCAL_TIMEOUT,
            retry_policy=_LOCAL_RETRY,
        )
        self._state.settled(settlement)


def whole_ms(moment: datetime) -> datetime:
    """Cut a time to whole milliseconds, which survive every encoding."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _reason() -> str:
    reason = workflow.cancellation_reason()
    return f"The run was cancelled: {reason}." if reason else "The run was cancelled."


async def _abort(work: "asyncio.Task[RunResult]") -> None:
    """Cancel and wait: what is on the wire is aborted and has recorded what it used."""
    work.cancel()
    await workflow.wait([work])
