"""What was bought and what may have been, added up."""

from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.accounts import NOTHING
from ledger.database import Usd
from ledger.tables import attempts, entries, is_undecided


class Total(NamedTuple):
    """A cost in USD: `total` is null when a part is unknown, `known` is the rest."""

    total: Decimal | None
    known: Decimal


def sum_of(amounts: ColumnElement[Any]) -> ColumnElement[Any]:
    """Add up amounts exactly; 0 where there are none."""
    return func.coalesce(func.sum(amounts, type_=Usd()), 0, type_=Usd())


def is_doubtful() -> ColumnElement[bool]:
    """Tell of an attempt that it may have been sold, for something, without an entry."""
    return and_(
        is_undecided,
        or_(attempts.c.bound_usd.is_(None), attempts.c.bound_usd > NOTHING),
    )


async def total_of(connection: AsyncConnection, **which: str) -> Total:
    """Add up a run or a call.

    Args:
        connection: Open.
        which: `execution_id=…` or `call_id=…`.
    """
    # One statement: an attempt that is closed between two would be in neither.
    doubtful = select(func.count()).select_from(attempts).where(is_doubtful()).filter_by(**which)
    unpriced = func.count().filter(entries.c.cost_usd.is_(None))
    query = select(sum_of(entries.c.cost_usd), unpriced + doubtful.scalar_subquery())
    known, unknown = (await connection.execute(query.filter_by(**which))).one()
    return Total(total=None if unknown else known, known=known)
