"""A run's reservation: made at the door, confirmed at admission, settled or released at the end.

A reservation ends in one of three ways: the run settles; it is refused, and nothing was written;
or its lease runs out and the sweeper finds that the run is closed or was never started.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.accounts import (
    NOTHING,
    AttemptState,
    Booking,
    ReservationState,
    RunAccount,
    booking,
)
from ledger.budgets import Budget, Clock, budget_from
from ledger.database import Usd, as_kept, reading, writing
from ledger.errors import BudgetExceeded
from ledger.idempotency import Claim, KeyUse, claim_key
from ledger.tables import attempts, budgets, is_holding, receipts, reservations
from ledger.totals import Total, total_of
from observability.metrics import get_ai_metrics
from settings import BudgetPolicy

LEASE = timedelta(minutes=15)
"""How long a reservation stands before somebody looks whether its run is there."""

UNCONFIRMED_LEASE = timedelta(hours=24)
"""How long a settled run goes on holding what its unconfirmed calls may have cost."""

_SMALLEST = Decimal(1).scaleb(-Usd.scale)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """A run that is to be admitted.

    Attributes:
        pipeline: `name@version`.
        amount_usd: What it is estimated to cost, as far as that is known.
        is_known: Whether that is all of it.
        cap_usd: The most that it may spend.
    """

    tenant_id: str
    execution_id: str
    pipeline: str
    amount_usd: Decimal
    is_known: bool = True
    cap_usd: Decimal | None = None
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def reserved_usd(self) -> Decimal:
        """What to reserve: the estimate, and no more than the run may spend."""
        amount = self.amount_usd if self.cap_usd is None else min(self.amount_usd, self.cap_usd)
        return as_kept(amount)


@dataclass(frozen=True, slots=True)
class Settled:
    """A run's account at its end.

    Attributes:
        is_first: Whether this settlement was the one that released the reservation.
    """

    total: Total
    is_first: bool


class Runs:
    """Reserves, settles and releases."""

    def __init__(
        self, engine: AsyncEngine, default: Budget, clock: Clock, lease: timedelta
    ) -> None:
        """Take the engine of a migrated database, and the budget of whoever has none."""
        self._engine = engine
        self._default = default
        self._clock = clock
        self._lease = lease

    async def reserve(
        self, run: RunRequest, key: KeyUse | None = None, *, reopen: bool = False
    ) -> Claim:
        """Bind the key, if there is one, and reserve money for the execution that it stands for.

        Both happen or neither; a second call with the same key or execution changes nothing.

        Args:
            run: What is to be admitted.
            key: The idempotency key, where there is one.
            reopen: Whether a run that was settled holds money again: it was reset.

        Raises:
            BudgetExceeded: It does not fit; the key is not bound.
            IdempotencyKeyReused: The key belongs to another body.
        """
        try:
            async with booking(self._engine, self._default, self._clock) as transaction:
                claim = Claim(run.execution_id, None)
                if key is not None:
                    claim = await claim_key(
                        transaction.connection, self._engine, run.tenant_id, key, run.execution_id
                    )
                if claim.answer is None:
                    asked = replace(run, execution_id=claim.execution_id)
                    await self._reserve(transaction, asked, reopen=reopen)
                return claim
        except BudgetExceeded as error:
            get_ai_metrics().record_budget_exceeded(policy=error.policy)
            raise

    async def admit(self, run: RunRequest) -> bool:
        """Confirm the reservation, raise it, or make it where the run came past the door.

        Writes only when it must. Returns whether calls need an upper bound.

        Raises:
            BudgetExceeded: It does not fit.
        """
        query = select(reservations.c.amount_usd).where(
            reservations.c.execution_id == run.execution_id,
            reservations.c.state == ReservationState.HELD.value,
            # A sweeper may be about to release what has outlived its lease.
            reservations.c.lease_until > self._clock(),
        )
        theirs = select(budgets).filter_by(tenant_id=run.tenant_id)
        async with reading(self._engine) as connection:
            amount = (await connection.execute(query)).scalar_one_or_none()
            budget = budget_from((await connection.execute(theirs)).one_or_none(), self._default)
        if amount is None or amount < run.reserved_usd:
            await self.reserve(run, reopen=True)
        return budget.policy is BudgetPolicy.HARD_BLOCK or run.cap_usd is not None

    async def settle(self, execution_id: str) -> Settled:
        """Add up what a run cost, release what it did not spend, wipe its answers.

        Calls that are still open then never will be confirmed by themselves: nobody knows whether
        they were sold. Under a hard limit the run goes on holding what they may have cost, for
        `UNCONFIRMED_LEASE`. A second settlement gives the account as it is then.
        """
        async with booking(self._engine, self._default, self._clock) as transaction:
            found = await transaction.find(execution_id)
            if found is None:  # it was refused
                return Settled(Total(NOTHING, NOTHING), is_first=True)
            account, budget = found
            await _end_calls(transaction, execution_id)
            total = await total_of(transaction.connection, execution_id=execution_id)
            if account.state is ReservationState.HELD:
                await transaction.move(account, _settled(account, transaction.now), budget)
        return Settled(total, account.state is ReservationState.HELD)

    async def total(self, execution_id: str) -> Total:
        """Add up a run's entries as of now."""
        async with reading(self._engine) as connection:
            return await total_of(connection, execution_id=execution_id)

    async def expired(self, most: int = 1000) -> Sequence[str]:
        """List executions whose reservation has outlived its lease, the oldest first."""
        query = (
            select(reservations.c.execution_id)
            .where(is_holding, reservations.c.lease_until <= self._clock())
            .order_by(reservations.c.lease_until)
            .limit(most)
        )
        async with reading(self._engine) as connection:
            return (await connection.execute(query)).scalars().all()

    async def extend(self, execution_id: str) -> None:
        """Renew the lease of a run that is under way."""
        until = self._clock() + self._lease
        row = reservations.c.execution_id == execution_id
        async with writing(self._engine) as connection:
            await connection.execute(update(reservations).where(row).values(lease_until=until))

    async def release(self, execution_id: str) -> str:
        """Give back what a run holds that will not settle, and wipe its answers.

        What its open calls may have cost is held for `UNCONFIRMED_LEASE`, as after a settlement:
        they may still be on the wire. A run whose lease is not over is left alone: it was admitted
        since the caller looked.

        Returns:
            The tenant.
        """
        async with booking(self._engine, self._default, self._clock) as transaction:
            account, budget = await transaction.get(execution_id)
            if account.lease_until > transaction.now:
                return account.tenant_id
            await _end_calls(transaction, execution_id)
            after = replace(account, state=ReservationState.RELEASED)
            if account.state is ReservationState.HELD and account.open_usd:
                after = _settled(account, transaction.now)
            await transaction.move(account, after, budget)
        return account.tenant_id

    async def stored_answers(self, execution_id: str) -> Sequence[str]:
        """List the artifacts that hold answers of a run, which go before its receipts are wiped."""
        query = select(receipts.c.artifact_id).where(
            receipts.c.execution_id == execution_id,
            receipts.c.artifact_id.is_not(None),
            receipts.c.wiped_at.is_(None),
        )
        async with reading(self._engine) as connection:
            return (await connection.execute(query)).scalars().all()

    async def _reserve(self, transaction: Booking, run: RunRequest, *, reopen: bool) -> None:
        wanted = RunAccount(
            execution_id=run.execution_id,
            tenant_id=run.tenant_id,
            pipeline=run.pipeline,
            tags=run.tags,
            day=transaction.now.date(),
            amount_usd=run.reserved_usd,
            cap_usd=None if run.cap_usd is None else as_kept(run.cap_usd),
            lease_until=transaction.now + self._lease,
        )
        is_new = await transaction.open(wanted)
        account, budget = await transaction.get(run.execution_id)
        if account.state is ReservationState.SETTLED and not reopen:
            return  # it has run: whoever asks again with the same key gets its answer
        after = replace(
            account,
            amount_usd=max(account.amount_usd, wanted.amount_usd),
            state=ReservationState.HELD,
            lease_until=wanted.lease_until,
        )
        is_more = is_new or replace(account, lease_until=after.lease_until) != after
        leaving = None
        if is_more and budget.policy is not BudgetPolicy.WARN:
            leaving = _must_leave(run, after.amount_usd)
        needed = run.reserved_usd if run.is_known else None
        await transaction.move(account, after, budget, leaving=leaving, needed_usd=needed)


def _must_leave(run: RunRequest, amount: Decimal) -> Decimal | None:
    """Say what must be left of the month once an amount is reserved for a run.

    One that costs nothing always fits. One that costs nobody knows what needs something to be left.
    """
    if not run.is_known:
        return _SMALLEST
    return NOTHING if amount else None


def _settled(account: RunAccount, now: datetime) -> RunAccount:
    return replace(account, state=ReservationState.SETTLED, lease_until=now + UNCONFIRMED_LEASE)


async def _end_calls(transaction: Booking, execution_id: str) -> None:
    """Close what a run has left open, and wipe its answers."""
    await transaction.connection.execute(
        update(attempts)
        .where(attempts.c.execution_id == execution_id, attempts.c.state == AttemptState.OPEN.value)
        .values(state=AttemptState.UNCONFIRMED.value, closed_at=transaction.now)
    )
    await transaction.connection.execute(
        update(receipts)
        .where(receipts.c.execution_id == execution_id, receipts.c.wiped_at.is_(None))
        .values(answer=None, wiped_at=transaction.now)
    )
