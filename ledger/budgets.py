"""Budgets: how much a tenant may spend in a calendar month, and what happens at the limit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Self

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.database import insert_into, reading, writing
from ledger.tables import budgets, periods
from settings import BudgetPolicy, Settings

Clock = Callable[[], datetime]
"""Tells the present moment, in UTC."""

_DECEMBER = 12
WARN_FROM = Decimal("0.8")
"""Part of the limit from which a warning is given, once a month."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A tenant's limit for each month.

    Attributes:
        limit_usd: USD.
        policy: What happens at the limit.
    """

    limit_usd: Decimal
    policy: BudgetPolicy

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the budget of tenants that have none of their own."""
        return cls(settings.ai_default_monthly_budget_usd, settings.ai_budget_policy)


@dataclass(frozen=True, slots=True)
class Account:
    """How a tenant's month stands.

    Attributes:
        spent_usd: The sum of the entries of the runs that were admitted in it.
        reserved_usd: What its runs may still spend.
    """

    tenant_id: str
    budget: Budget
    period: str
    spent_usd: Decimal
    reserved_usd: Decimal

    @property
    def remaining_usd(self) -> Decimal:
        """What is neither spent nor reserved; 0 when the limit is passed."""
        return max(self.budget.limit_usd - self.spent_usd - self.reserved_usd, Decimal(0))

    @property
    def begins_at(self) -> datetime:
        """The month's first moment."""
        return begin_of(self.period)

    @property
    def resets_at(self) -> datetime:
        """The next month's first moment."""
        return end_of(self.period)


def utc_now() -> datetime:
    """Tell the present moment by the machine's clock."""
    return datetime.now(UTC)


def period_of(moment: date) -> str:
    """Return the month that a time or day in UTC belongs to, `YYYY-MM`."""
    return f"{moment:%Y-%m}"


def begin_of(period: str) -> datetime:
    """Return a month's first moment.

    Raises:
        ValueError: It is no month.
    """
    return datetime.strptime(period, "%Y-%m").replace(tzinfo=UTC)


def end_of(period: str) -> datetime:
    """Return the first moment of the month after this one."""
    begin = begin_of(period)
    if begin.month == _DECEMBER:
        return begin.replace(year=begin.year + 1, month=1)
    return begin.replace(month=begin.month + 1)


def budget_from(row: Row[Any] | None, default: Budget) -> Budget:
    """Read a row of `budgets`; the default where the tenant has none."""
    if row is None or row.limit_usd is None:
        return default
    return Budget(row.limit_usd, BudgetPolicy(row.policy))


class Budgets:
    """Reads and sets limits."""

    def __init__(self, engine: AsyncEngine, default: Budget, clock: Clock) -> None:
        """Take the engine of a migrated database, and the budget of whoever has none."""
        self._engine = engine
        self._default = default
        self._clock = clock

    async def of_tenant(self, tenant_id: str) -> Budget:
        """Return the tenant's budget."""
        query = select(budgets).where(budgets.c.tenant_id == tenant_id)
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return budget_from(row, self._default)

    async def account(self, tenant_id: str, period: str | None = None) -> Account:
        """Tell how a month stands, by default the present one."""
        period = period or period_of(self._clock())
        query = select(periods).filter_by(tenant_id=tenant_id, period=period)
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        return Account(
            tenant_id=tenant_id,
            budget=await self.of_tenant(tenant_id),
            period=period,
            spent_usd=Decimal(0) if row is None else row.spent_usd,
            reserved_usd=Decimal(0) if row is None else row.reserved_usd,
        )

    async def periods_of(self, tenant_id: str) -> Sequence[str]:
        """List the months in which the tenant has an account, the newest first."""
        query = select(periods.c.period).filter_by(tenant_id=tenant_id)
        async with reading(self._engine) as connection:
            found = (await connection.execute(query)).scalars().all()
        return sorted(found, reverse=True)

    async def set_limit(
        self, tenant_id: str, limit_usd: Decimal, policy: BudgetPolicy | None = None
    ) -> None:
        """Give the tenant a limit; without a policy the tenant keeps the one that it has.

        A limit below what is spent and reserved is taken: nothing new fits until it is raised or
        the month is over.
        """
        values: dict[str, Any] = {"limit_usd": limit_usd, "updated_at": self._clock()}
        if policy is not None:
            values["policy"] = policy.value
        new = {"tenant_id": tenant_id, "policy": self._default.policy.value, **values}
        insert = insert_into(budgets, self._engine).values(new)
        async with writing(self._engine) as connection:
            await connection.execute(
                insert.on_conflict_do_update(index_elements=["tenant_id"], set_=values)
            )
