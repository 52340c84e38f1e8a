"""Budgets: how much a tenant may spend in a month, and on what it was spent."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.bodies import read_body
from api.context import Admin, Services, ServicesOf, Tenant
from api.problems import Problem
from api.schemas import (
    DAY,
    MONTH,
    PREFIX,
    PROBLEMS,
    BudgetRequest,
    BudgetStatus,
    SpendAnswer,
    SpendGroup,
)
from ledger.budgets import begin_of, end_of, period_of
from ledger.reports import GroupBy

_LONGEST_NAME = 40
# What it refers to is described with the answers.
_REQUEST = {
    name: value
    for name, value in BudgetRequest.model_json_schema(
        ref_template="#/components/schemas/{model}"
    ).items()
    if name != "$defs"
}
_FAR = 0.5  # a name that is less alike is no misspelling

router = APIRouter(prefix=f"{PREFIX}/budget", tags=["budget"], responses=PROBLEMS)


@router.get("/status")
async def get_status(
    services: ServicesOf,
    tenant: Tenant,
    period: Annotated[
        str | None, Query(pattern=MONTH, description="A month (UTC); by default the present one.")
    ] = None,
) -> BudgetStatus:
    """Tell how much of the month's budget is spent, reserved and left."""
    present = period_of(datetime.now(UTC))
    if period is not None and period > present:
        raise _invalid(f"'period' takes a month that has begun; the present one is {present}.")
    return await _status(services, tenant, period or present)


@router.put(
    "",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _REQUEST}},
        }
    },
)
async def set_budget(request: Request, services: ServicesOf, tenant: Admin) -> BudgetStatus:
    """Give the tenant a limit for each month; it holds from now on, for this month too."""
    body = await read_body(request, BudgetRequest)
    await services.ledger.budgets.set_limit(tenant, body.limit_usd, body.policy)
    return await _status(services, tenant, period_of(datetime.now(UTC)))


@router.get("/spend", response_model_exclude_unset=True)
async def get_spend(
    services: ServicesOf,
    tenant: Tenant,
    begin: Annotated[
        str | None,
        Query(alias="from", pattern=DAY, description="The first day (UTC) of runs' admission."),
    ] = None,
    end: Annotated[
        str | None, Query(alias="to", pattern=DAY, description="The first day that is left out.")
    ] = None,
    group_by: Annotated[
        list[str] | None, Query(description=f"A comma list of {', '.join(GroupBy)}.")
    ] = None,
) -> SpendAnswer:
    """Add up what the runs that were admitted on some days have cost; by default this month's."""
    present = period_of(datetime.now(UTC))
    first = _day("from", begin) or begin_of(present).date()
    last = _day("to", end) or end_of(present).date()
    if last <= first:
        raise _invalid(f"'to' ({last}) must come after 'from' ({first}): it is left out.")
    spend = await services.ledger.reports.spend(tenant, first, last, _wanted(group_by or ()))
    return SpendAnswer(
        total_usd=spend.total_usd,
        unconfirmed_usd=spend.unconfirmed_usd,
        unpriced_calls=spend.unpriced_calls,
        groups=[
            SpendGroup.model_validate(
                {name: value or None for name, value in group.keys.items()}
                | {"cost_usd": group.cost_usd, "calls": group.calls}
            )
            for group in spend.groups
        ],
    )


async def _status(services: Services, tenant: str, period: str) -> BudgetStatus:
    account = await services.ledger.budgets.account(tenant, period)
    return BudgetStatus(
        tenant_id=tenant,
        limit_usd=account.budget.limit_usd,
        spent_usd=account.spent_usd,
        reserved_usd=account.reserved_usd,
        remaining_usd=account.remaining_usd,
        policy=account.budget.policy,
        period_start=account.begins_at,
        period_end=account.resets_at,
        resets_at=account.resets_at,
    )


def _day(name: str, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _invalid(f"'{name}' takes a day that there is, such as 2026-11-30.") from None


def _wanted(lists: Sequence[str]) -> Sequence[GroupBy]:
    """Read comma lists of names, each name once."""
    names = [name.strip() for text in lists for name in text.split(",")]
    return [_group_by(name) for name in dict.fromkeys(names) if name]


def _group_by(name: str) -> GroupBy:
    try:
        return GroupBy(name)
    except ValueError:
        known = [by.value for by in GroupBy]
        near = get_close_matches(name[:_LONGEST_NAME].lower(), known, n=1, cutoff=_FAR)
        hint = f"Did you mean '{near[0]}'? " if near else ""
        short = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
        raise _invalid(
            f"'group_by' takes no '{short}'. {hint}It takes a comma list of {', '.join(known)}."
        ) from None


def _invalid(detail: str) -> Problem:
    return Problem(422, "invalid", detail)
