"""What one execution cost, attempt by attempt."""

from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

from fastapi import APIRouter
from temporalio.service import RPCError

from api.context import Execution, ExecutionId, Services, ServicesOf, Tenant, get_execution
from api.problems import not_found
from api.schemas import PREFIX, PROBLEMS, CostLine, CostsAnswer
from connection import TemporalUnreachable
from ledger.reports import Invoice
from workflows.search_attributes import PIPELINE_NAME, PIPELINE_VERSION

router = APIRouter(prefix=PREFIX, tags=["budget"], responses=PROBLEMS)


@router.get("/{execution_id}/costs")
async def get_costs(execution_id: ExecutionId, services: ServicesOf, tenant: Tenant) -> CostsAnswer:
    """List every attempt with what it cost, and their sum, as of now.

    The ledger knows executions that Temporal has forgotten, and answers while Temporal is away.
    """
    invoice = await services.ledger.reports.invoice(execution_id)
    if invoice is None:
        return _nothing(await get_execution(execution_id, services, tenant))
    if invoice.tenant_id != tenant:
        raise not_found("There is no such execution.")
    return _answer(invoice, await _ended_at(services, execution_id))


async def _ended_at(services: Services, execution_id: str) -> datetime | None:
    with suppress(RPCError, TemporalUnreachable):
        client = await services.temporal()
        return (await client.get_workflow_handle(execution_id).describe()).close_time
    return None


def _answer(invoice: Invoice, ended_at: datetime | None) -> CostsAnswer:
    name, _, version = invoice.pipeline.partition("@")
    return CostsAnswer(
        execution_id=invoice.execution_id,
        pipeline_name=name,
        pipeline_version=version,
        admitted_on=invoice.day,
        ended_at=ended_at,
        total_cost_usd=invoice.total.total,
        known_cost_usd=invoice.total.known,
        lines=[CostLine.model_validate(asdict(line)) for line in invoice.lines],
    )


def _nothing(execution: Execution) -> CostsAnswer:
    """Answer for an execution that the ledger does not know: it was never admitted."""
    attributes = execution.description.typed_search_attributes
    return CostsAnswer(
        execution_id=execution.id,
        pipeline_name=attributes.get(PIPELINE_NAME) or "",
        pipeline_version=attributes.get(PIPELINE_VERSION) or "",
        admitted_on=None,
        ended_at=execution.description.close_time,
        total_cost_usd=Decimal(0),
        known_cost_usd=Decimal(0),
        lines=[],
    )
