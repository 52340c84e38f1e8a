"""`sweep_reservations`: looks after the reservations whose runs did not settle them."""

from datetime import timedelta

import structlog
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.answers import Answers
from activities.types import SWEEP, Swept
from artifacts.store import ArtifactStore
from ledger.books import Ledger

_TIMEOUT = timedelta(seconds=5)

log = structlog.get_logger(__name__)


class SweepActivities:
    """Extends what is under way, and releases what is not."""

    def __init__(self, client: Client, ledger: Ledger, artifacts: ArtifactStore) -> None:
        """Take the clients of everything that a reservation touches."""
        self._client = client
        self._runs = ledger.runs
        self._answers = Answers(artifacts)

    @activity.defn(name=SWEEP)
    async def sweep_reservations(self) -> Swept:
        """Look at every reservation that has outlived its lease.

        Its run is open: the lease is renewed. It is closed, or was never started: what it holds is
        released and its answers are wiped. Temporal does not tell: it is kept as it is. Idempotent.
        Heartbeat: after each one.
        """
        counts = dict.fromkeys(Swept.model_fields, 0)
        for execution_id in await self._runs.expired():
            is_open = await self._is_open(execution_id)
            if is_open is None:
                counts["kept"] += 1
            elif is_open:
                await self._runs.extend(execution_id)
                counts["extended"] += 1
            else:
                await self._release(execution_id)
                counts["released"] += 1
            activity.heartbeat()
        if any(counts.values()):
            log.info("reservations swept", **counts)
        return Swept(**counts)

    async def _is_open(self, execution_id: str) -> bool | None:
        """Say whether a run is under way; None when Temporal does not tell."""
        try:
            description = await self._client.get_workflow_handle(execution_id).describe(
                rpc_timeout=_TIMEOUT
            )
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            log.warning("reservation not looked at", execution_id=execution_id, error=str(error))
            return None
        return description.status == WorkflowExecutionStatus.RUNNING

    async def _release(self, execution_id: str) -> None:
        stored = await self._runs.stored_answers(execution_id)
        tenant = await self._runs.release(execution_id)
        await self._answers.delete(tenant, stored)
        log.info("reservation released", execution_id=execution_id)
