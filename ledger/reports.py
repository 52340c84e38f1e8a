"""What was spent, looked at from outside: by group, by run, and whether it all adds up."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import product
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    String,
    Text,
    and_,
    cast,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger.accounts import NOTHING
from ledger.database import Usd, reading
from ledger.tables import attempts, entries, is_undecided, periods, reservations
from ledger.totals import Total, is_doubtful, sum_of


class GroupBy(StrEnum):
    """What spending can be told apart by. A run with several tags counts in each one's group."""

    DAY = "day"
    PIPELINE = "pipeline"
    PROVIDER = "provider"
    MODEL = "model"
    STEP = "step"
    TAG = "tag"


@dataclass(frozen=True, slots=True)
class SpendGroup:
    """What one group has spent.

    Attributes:
        keys: The group, by what it was told apart by.
        cost_usd: The part that is known.
        calls: Attempts that have an entry.
    """

    keys: Mapping[str, str]
    cost_usd: Decimal
    calls: int


@dataclass(frozen=True, slots=True)
class Spend:
    """What a tenant has spent on the runs that were admitted on some days.

    Attributes:
        total_usd: The part that is known.
        unpriced_calls: Entries whose cost is unknown.
        unconfirmed_usd: The upper bounds of attempts that may have been sold; null when one has
            none.
    """

    total_usd: Decimal
    unpriced_calls: int
    unconfirmed_usd: Decimal | None
    groups: Sequence[SpendGroup]


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One attempt at a call.

    Attributes:
        state: What is known of it, a state of `ledger.accounts.AttemptState`.
        outcome: `success`, or the code of what it ended with; null while it is open.
        usage: What it used; null without an entry.
        cost_usd: 0 where it surely cost nothing; null when unknown.
        bound_usd: The most that it may cost, where that was worked out.
        entered_at: When its cost was entered; null without an entry.
    """

    step: str
    item: int | None
    candidate: int
    provider: str
    model: str
    call_id: str
    attempt: int
    state: str
    outcome: str | None
    usage: Mapping[str, Any] | None
    unit_prices: Mapping[str, str] | None
    price_source: str | None
    cost_usd: Decimal | None
    bound_usd: Decimal | None
    duplicate: bool
    opened_at: datetime
    entered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Invoice:
    """Every attempt of a run, and their sum as of now."""

    execution_id: str
    tenant_id: str
    pipeline: str
    day: date
    total: Total
    lines: Sequence[InvoiceLine]


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A figure of a month or of a run that is not the sum that it should be."""

    tenant_id: str
    account: str
    figure: str
    booked_usd: Decimal
    summed_usd: Decimal


@dataclass(frozen=True, slots=True)
class Audit:
    """How many figures were held against their sums, and which are not equal to them."""

    figures: int
    discrepancies: Sequence[Discrepancy]


class Reports:
    """Reads; never writes."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine of a migrated database."""
        self._engine = engine

    async def spend(
        self, tenant_id: str, begin: date, end: date, group_by: Sequence[GroupBy] = ()
    ) -> Spend:
        """Add up the entries of runs admitted from `begin` to the day before `end`."""
        mine = and_(entries.c.tenant_id == tenant_id, entries.c.day >= begin, entries.c.day < end)
        names = [by.value for by in group_by]
        columns = [_COLUMNS[by].label(by.value) for by in group_by]
        query = (
            select(
                *columns,
                sum_of(entries.c.cost_usd).label("cost_usd"),
                func.count().label("calls"),
                func.count().filter(entries.c.cost_usd.is_(None)).label("unpriced"),
            )
            .where(mine)
            .group_by(*columns)
        )
        async with reading(self._engine) as connection:
            # In this order: an attempt that is closed between the two is in both, not in neither.
            unconfirmed = await _unconfirmed(connection, tenant_id, begin, end)
            rows = (await connection.execute(query)).mappings().all()
        groups = _grouped([dict(row) for row in rows], names) if names else []
        return Spend(
            total_usd=sum((row["cost_usd"] for row in rows), NOTHING),
            unpriced_calls=sum(row["unpriced"] for row in rows),
            unconfirmed_usd=unconfirmed,
            groups=groups,
        )

    async def invoice(self, execution_id: str) -> Invoice | None:
        """List a run's attempts in the order in which they were made; None for an unknown run."""
        bought = ("usage", "unit_prices", "price_source", "cost_usd", "duplicate", "created_at")
        query = (
            select(
                attempts,
                *(entries.c[name] for name in bought),
                entries.c.id.label("entry_id"),
                is_doubtful().label("is_doubtful"),
            )
            .outerjoin(
                entries,
                and_(
                    entries.c.call_id == attempts.c.call_id,
                    entries.c.attempt == attempts.c.attempt,
                ),
            )
            .where(attempts.c.execution_id == execution_id)
            .order_by(attempts.c.opened_at, attempts.c.call_id, attempts.c.attempt)
        )
        run = select(reservations).filter_by(execution_id=execution_id)
        async with reading(self._engine) as connection:
            account = (await connection.execute(run)).one_or_none()
            if account is None:
                return None
            lines = [_line(row) for row in (await connection.execute(query)).all()]
        return Invoice(
            execution_id=execution_id,
            tenant_id=account.tenant_id,
            pipeline=account.pipeline,
            day=account.day,
            total=_total(lines),
            lines=lines,
        )

    async def verify(self) -> Sequence[Discrepancy]:
        """Return what `audit` finds to be wrong."""
        return (await self.audit()).discrepancies

    async def audit(self) -> Audit:
        """Hold every figure that is kept against the rows that it is the sum of.

        One statement reads all of them, so that nothing is booked in between.
        """
        booked: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        summed: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        async with reading(self._engine) as connection:
            for row in (await connection.execute(_EVERYTHING)).all():
                where = (row.tenant_id, row.account, row.figure)
                booked[where] += row.booked
                summed[where] += row.summed
        wrong = [where for where in sorted(booked) if booked[where] != summed[where]]
        return Audit(
            figures=len(booked),
            discrepancies=[Discrepancy(*where, booked[where], summed[where]) for where in wrong],
        )


def _month(day: ColumnElement[Any]) -> ColumnElement[str]:
    return func.substr(cast(day, String(10)), 1, 7)


def _figures(
    tenant: ColumnElement[Any],
    account: ColumnElement[Any],
    figure: str,
    *,
    booked: ColumnElement[Any] | None = None,
    summed: ColumnElement[Any] | None = None,
) -> Select[Any]:
    none = literal(NOTHING, Usd())
    return select(
        tenant.label("tenant_id"),
        account.label("account"),
        literal(figure).label("figure"),
        (none if booked is None else booked).label("booked"),
        (none if summed is None else summed).label("summed"),
    )


_MONTH_OF_ENTRY, _MONTH_OF_RUN = _month(entries.c.day), _month(reservations.c.day)
_HELD = sum_of(attempts.c.held_usd)
_EVERYTHING = union_all(
    _figures(periods.c.tenant_id, periods.c.period, "spent_usd", booked=periods.c.spent_usd),
    _figures(
        entries.c.tenant_id, _MONTH_OF_ENTRY, "spent_usd", summed=sum_of(entries.c.cost_usd)
    ).group_by(entries.c.tenant_id, _MONTH_OF_ENTRY),
    _figures(periods.c.tenant_id, periods.c.period, "reserved_usd", booked=periods.c.reserved_usd),
    _figures(
        reservations.c.tenant_id,
        _MONTH_OF_RUN,
        "reserved_usd",
        summed=sum_of(reservations.c.reserved_usd),
    ).group_by(reservations.c.tenant_id, _MONTH_OF_RUN),
    _figures(
        reservations.c.tenant_id,
        reservations.c.execution_id,
        "spent_usd",
        booked=reservations.c.spent_usd,
    ),
    _figures(
        entries.c.tenant_id,
        entries.c.execution_id,
        "spent_usd",
        summed=sum_of(entries.c.cost_usd),
    ).group_by(entries.c.tenant_id, entries.c.execution_id),
    _figures(
        reservations.c.tenant_id,
        reservations.c.execution_id,
        "open_usd",
        booked=reservations.c.open_usd,
    ),
    _figures(attempts.c.tenant_id, attempts.c.execution_id, "open_usd", summed=_HELD)
    .where(is_undecided)
    .group_by(attempts.c.tenant_id, attempts.c.execution_id),
)


_COLUMNS: Mapping[GroupBy, ColumnElement[Any]] = {
    GroupBy.DAY: entries.c.day,
    GroupBy.PIPELINE: entries.c.pipeline,
    GroupBy.PROVIDER: entries.c.provider,
    GroupBy.MODEL: entries.c.model,
    GroupBy.STEP: entries.c.step,
    # PostgreSQL compares no JSON; equal tags are written alike.
    GroupBy.TAG: cast(entries.c.tags, Text),
}


def _grouped(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Sequence[SpendGroup]:
    """Sort groups by what they have spent, the most first; each tag of a row is a group."""
    costs: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    calls: dict[tuple[str, ...], int] = defaultdict(int)
    for row in rows:
        for keys in product(*(_keys(name, row[name]) for name in names)):
            costs[keys] += row["cost_usd"]
            calls[keys] += row["calls"]
    ranked = sorted(costs, key=lambda keys: (-costs[keys], keys))
    return [
        SpendGroup(dict(zip(names, keys, strict=True)), costs[keys], calls[keys]) for keys in ranked
    ]


def _keys(name: str, value: Any) -> Sequence[str]:
    if name != GroupBy.TAG.value:
        return [str(value)]
    return [f"{tag}:{text}" for tag, text in json.loads(value).items()] or [""]


def _line(row: Row[Any]) -> InvoiceLine:
    unsold = None if row.is_doubtful else NOTHING
    return InvoiceLine(
        step=row.step,
        item=row.item,
        candidate=row.candidate,
        provider=row.provider,
        model=row.model,
        call_id=row.call_id,
        attempt=row.attempt,
        state=row.state,
        outcome=row.outcome,
        usage=row.usage,
        unit_prices=row.unit_prices,
        price_source=row.price_source,
        cost_usd=unsold if row.entry_id is None else row.cost_usd,
        bound_usd=row.bound_usd,
        duplicate=bool(row.duplicate),
        opened_at=row.opened_at,
        entered_at=row.created_at,
    )


def _total(lines: Sequence[InvoiceLine]) -> Total:
    known = sum((line.cost_usd or NOTHING for line in lines), NOTHING)
    is_known = all(line.cost_usd is not None for line in lines)
    return Total(total=known if is_known else None, known=known)


async def _unconfirmed(
    connection: AsyncConnection, tenant_id: str, begin: date, end: date
) -> Decimal | None:
    query = (
        select(sum_of(attempts.c.bound_usd), func.count().filter(attempts.c.bound_usd.is_(None)))
        .join(reservations, reservations.c.execution_id == attempts.c.execution_id)
        .where(
            is_doubtful(),
            attempts.c.tenant_id == tenant_id,
            reservations.c.day >= begin,
            reservations.c.day < end,
        )
    )
    known, unknown = (await connection.execute(query)).one()
    return None if unknown else known
