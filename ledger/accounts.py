"""A run's account and its tenant's month, changed together in one transaction.

Every change of a run's money locks the run's row first and its tenant's month last, so that no two
transactions wait for each other, and moves both by the same amounts. The month's row is changed by
one statement that also checks the limit: of two runs that ask for the last cent one gets it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import Row, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger.budgets import WARN_FROM, Budget, Clock, budget_from, end_of, period_of
from ledger.database import Usd, insert_into, writing
from ledger.errors import BudgetExceeded, NotAdmitted
from ledger.tables import budgets, periods, reservations
from observability.metrics import get_ai_metrics

NOTHING = Decimal(0)

log = structlog.get_logger(__name__)


class ReservationState(StrEnum):
    """How far a reservation is."""

    HELD = "held"
    SETTLED = "settled"
    RELEASED = "released"


class AttemptState(StrEnum):
    """What is known of an attempt at a call.

    `confirmed`: what it cost is known, or that it cost nothing. `cancelled`: the same, of one that
    was aborted. `unconfirmed`: it may have been sold, and nobody knows.
    """

    OPEN = "open"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class RunAccount:
    """What a run has spent, and what it keeps others from spending.

    Attributes:
        tags: The run's, for its entries.
        day: That of its admission; the day's month pays for all of it.
        amount_usd: What was reserved at its admission.
        cap_usd: The most that it may spend, where it has a cap.
        lease_until: When somebody looks whether the run is there.
        spent_usd: The sum of its entries.
        open_usd: The upper bounds of its calls that are open or unconfirmed, where a hard limit
            asks for them. Together with `spent_usd` this is the run's hold.
        reserved_usd: Its part of the month's reserved money.
    """

    execution_id: str
    tenant_id: str
    pipeline: str
    tags: dict[str, str]
    day: date
    amount_usd: Decimal
    cap_usd: Decimal | None
    lease_until: datetime
    state: ReservationState = ReservationState.HELD
    spent_usd: Decimal = NOTHING
    open_usd: Decimal = NOTHING
    reserved_usd: Decimal = NOTHING

    @property
    def period(self) -> str:
        """The month that pays."""
        return period_of(self.day)

    @property
    def hold_usd(self) -> Decimal:
        """What the run has spent and may spend by its calls that have begun."""
        return self.spent_usd + self.open_usd

    def rebooked(self) -> "RunAccount":
        """Return the same account with the reserved money that follows from the rest.

        A run that is under way holds what is left of its amount, or its open calls' upper bounds
        when they are more. One that is settled holds only what its unconfirmed calls may have cost.
        """
        match self.state:
            case ReservationState.HELD:
                reserved = max(self.amount_usd - self.spent_usd, self.open_usd)
            case ReservationState.SETTLED:
                reserved = self.open_usd
            case ReservationState.RELEASED:
                reserved = NOTHING
        return replace(self, reserved_usd=max(reserved, NOTHING))


_CHANGING = ("amount_usd", "spent_usd", "open_usd", "reserved_usd", "state", "lease_until")


@dataclass(slots=True)
class Booking:
    """One transaction over accounts."""

    connection: AsyncConnection
    engine: AsyncEngine
    default: Budget
    now: datetime
    _warnings: list[dict[str, Any]] = field(default_factory=list)

    async def find(self, execution_id: str) -> tuple[RunAccount, Budget] | None:
        """Lock a run's account; returns it with its tenant's budget, None where there is none."""
        query = (
            select(reservations, budgets.c.limit_usd, budgets.c.policy)
            .outerjoin(budgets, budgets.c.tenant_id == reservations.c.tenant_id)
            .where(reservations.c.execution_id == execution_id)
            .with_for_update(of=reservations)
        )
        row = (await self.connection.execute(query)).one_or_none()
        if row is None:
            return None
        account = RunAccount(
            execution_id=row.execution_id,
            tenant_id=row.tenant_id,
            pipeline=row.pipeline,
            tags=row.tags,
            day=row.day,
            amount_usd=row.amount_usd,
            cap_usd=row.cap_usd,
            lease_until=row.lease_until,
            state=ReservationState(row.state),
            spent_usd=row.spent_usd,
            open_usd=row.open_usd,
            reserved_usd=row.reserved_usd,
        )
        return account, budget_from(row, self.default)

    async def get(self, execution_id: str) -> tuple[RunAccount, Budget]:
        """Do the same for a run that was admitted.

        Raises:
            NotAdmitted: There is no account.
        """
        found = await self.find(execution_id)
        if found is None:
            raise NotAdmitted(f"The run {execution_id} was never admitted.")
        return found

    async def open(self, account: RunAccount) -> bool:
        """Make a run's account with nothing reserved yet; false when there is one already."""
        insert = insert_into(reservations, self.engine).values(
            execution_id=account.execution_id,
            tenant_id=account.tenant_id,
            pipeline=account.pipeline,
            tags=account.tags,
            period=account.period,
            day=account.day,
            amount_usd=NOTHING,
            cap_usd=account.cap_usd,
            spent_usd=NOTHING,
            open_usd=NOTHING,
            reserved_usd=NOTHING,
            state=ReservationState.HELD.value,
            lease_until=account.lease_until,
            created_at=self.now,
        )
        inserted = await self.connection.execute(insert.on_conflict_do_nothing())
        if inserted.rowcount != 1:
            return False
        month = insert_into(periods, self.engine).values(
            tenant_id=account.tenant_id,
            period=account.period,
            spent_usd=NOTHING,
            reserved_usd=NOTHING,
        )
        await self.connection.execute(month.on_conflict_do_nothing())
        return True

    async def move(
        self,
        before: RunAccount,
        after: RunAccount,
        budget: Budget,
        *,
        leaving: Decimal | None = None,
        needed_usd: Decimal | None = None,
    ) -> None:
        """Write what has changed in a run's account, and the same change of its month.

        Args:
            before: As it was read.
            after: As it is to be; what it reserves is worked out here.
            budget: The tenant's.
            leaving: What must then be left of the month's limit; None asks for nothing.
            needed_usd: What is asked for, to be named when that does not fit.

        Raises:
            BudgetExceeded: It does not fit; the transaction must be given up.
        """
        after = after.rebooked()
        changed = {
            name: getattr(after, name)
            for name in _CHANGING
            if getattr(after, name) != getattr(before, name)
        }
        if changed:
            row = reservations.c.execution_id == after.execution_id
            await self.connection.execute(update(reservations).where(row).values(changed))
        spent = after.spent_usd - before.spent_usd
        reserved = after.reserved_usd - before.reserved_usd
        if spent or reserved or leaving is not None:
            await self._move_month(after, budget, (spent, reserved), leaving, needed_usd)

    async def _move_month(
        self,
        account: RunAccount,
        budget: Budget,
        moved: tuple[Decimal, Decimal],
        leaving: Decimal | None,
        needed: Decimal | None,
    ) -> None:
        spent, reserved = moved
        month = (periods.c.tenant_id == account.tenant_id) & (periods.c.period == account.period)
        statement = (
            update(periods)
            .where(month)
            .values(
                spent_usd=periods.c.spent_usd + literal(spent, Usd()),
                reserved_usd=periods.c.reserved_usd + literal(reserved, Usd()),
            )
            .returning(periods)
        )
        if leaving is not None:
            room = budget.limit_usd - spent - reserved - leaving
            taken = periods.c.spent_usd + periods.c.reserved_usd
            statement = statement.where(taken <= literal(room, Usd()))
        row = (await self.connection.execute(statement)).one_or_none()
        if row is None:
            row = (await self.connection.execute(select(periods).where(month))).one()
            raise BudgetExceeded(
                policy=budget.policy,
                limit_usd=budget.limit_usd,
                spent_usd=row.spent_usd,
                reserved_usd=row.reserved_usd,
                needed_usd=needed,
                resets_at=end_of(account.period),
            )
        await self._warn_once(account, budget, row)

    async def _warn_once(self, account: RunAccount, budget: Budget, row: Row[Any]) -> None:
        taken = row.spent_usd + row.reserved_usd
        if row.warned_at is not None or taken < WARN_FROM * budget.limit_usd or not taken:
            return
        month = (periods.c.tenant_id == account.tenant_id) & (periods.c.period == account.period)
        await self.connection.execute(update(periods).where(month).values(warned_at=self.now))
        self._warnings.append(
            {
                "tenant_id": account.tenant_id,
                "period": account.period,
                "policy": budget.policy.value,
                "limit_usd": f"{budget.limit_usd:f}",
                "spent_usd": f"{row.spent_usd:f}",
                "reserved_usd": f"{row.reserved_usd:f}",
            }
        )

    def tell(self) -> None:
        """Tell operators what has happened in the transaction, now that it is certain."""
        for warning in self._warnings:
            log.warning("budget threshold reached", **warning)
            get_ai_metrics().record_budget_threshold(policy=warning["policy"])


@asynccontextmanager
async def booking(engine: AsyncEngine, default: Budget, clock: Clock) -> AsyncIterator[Booking]:
    """Open a transaction over accounts; what it found out is told when it has succeeded."""
    async with writing(engine) as connection:
        transaction = Booking(connection, engine, default, clock())
        yield transaction
    transaction.tell()
