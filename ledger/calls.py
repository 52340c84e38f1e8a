"""Calls: the intent before a provider is asked, and the receipt before anybody hears the answer.

One transaction records the intent and, under a hard limit, holds what the attempt may cost at most.
One more records what it did cost together with the answer. A process that dies in between leaves
an attempt that is visible and *unconfirmed*: it may have been sold. A retry of a call that has a
receipt gets the answer from it and asks nobody.

What was really bought twice, by a worker that was taken for dead and by its successor, is two
entries; the later one is marked as a duplicate.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ledger.accounts import (
    NOTHING,
    AttemptState,
    Booking,
    ReservationState,
    RunAccount,
    booking,
)
from ledger.budgets import Budget, Clock, end_of
from ledger.database import as_kept, insert_into, reading, writing
from ledger.errors import AttemptTaken, BoundNeeded, BudgetExceeded, UnboundedCall
from ledger.tables import attempts, entries, is_undecided, receipts
from ledger.totals import total_of
from settings import BudgetPolicy

CAP = "max_cost_usd"


@dataclass(frozen=True, slots=True)
class Intent:
    """An attempt at a call that is about to be made.

    Attributes:
        call_id: The call's idempotency key, equal for all its attempts.
        attempt: From 1, over all workers.
        item: Which item of a `for_each`, from 0.
        candidate: The candidate's place in the chain, from 0.
        bound_usd: The most that the attempt can cost; null when unknown.
        bound_tried: Whether somebody has tried to work it out.
    """

    execution_id: str
    tenant_id: str
    step: str
    provider: str
    model: str
    call_id: str
    attempt: int
    candidate: int = 0
    item: int | None = None
    bound_usd: Decimal | None = None
    bound_tried: bool = False


@dataclass(frozen=True, slots=True)
class Sale:
    """What an attempt used and cost.

    Attributes:
        usage: The units, by their names.
        unit_prices: What each unit costs, by its name, as decimal strings.
        cost_usd: Null when the price is unknown; `price_source` says why.
    """

    usage: Mapping[str, Any]
    unit_prices: Mapping[str, str]
    cost_usd: Decimal | None
    price_source: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a call.

    Attributes:
        answer: As the caller gave it; null when it lies in an artifact.
        artifact_id: Where it lies when it is large.
    """

    answer: dict[str, Any] | None = None
    artifact_id: str | None = None


class Calls:
    """Opens and closes attempts."""

    def __init__(self, engine: AsyncEngine, default: Budget, clock: Clock) -> None:
        """Take the engine of a migrated database, and the budget of whoever has none."""
        self._engine = engine
        self._default = default
        self._clock = clock

    async def receipt(self, call_id: str) -> Receipt | None:
        """Return the answer to a call; None when there is none, or it was wiped."""
        async with reading(self._engine) as connection:
            return await _receipt(connection, call_id)

    async def cost(self, call_id: str) -> Decimal | None:
        """Add up all attempts at a call; None when a part is unknown."""
        async with reading(self._engine) as connection:
            return (await total_of(connection, call_id=call_id)).total

    async def next_attempt(self, call_id: str) -> int:
        """Return a number that no attempt at a call has had."""
        query = select(func.coalesce(func.max(attempts.c.attempt), 0)).filter_by(call_id=call_id)
        async with reading(self._engine) as connection:
            return int((await connection.execute(query)).scalar_one()) + 1

    async def void(self, call_id: str) -> None:
        """Forget an answer that can't be read any more: the call is to be made again."""
        statement = (
            update(receipts)
            .where(receipts.c.call_id == call_id)
            .values(answer=None, wiped_at=self._clock())
        )
        async with writing(self._engine) as connection:
            await connection.execute(statement)

    async def begin(self, intent: Intent) -> Receipt | None:
        """Record that an attempt is about to be made; returns the answer if there is one already.

        Earlier attempts at the call that are still open are unconfirmed from here on.

        Raises:
            BoundNeeded: A hard limit holds; work `bound_usd` out and begin again.
            BudgetExceeded: The attempt's bound does not fit into the month or the run's cap.
            UnboundedCall: A hard limit holds, and there is no bound.
            NotAdmitted: The run has no reservation.
            AttemptTaken: An attempt of this number has ended; `next_attempt` gives another.
        """
        async with booking(self._engine, self._default, self._clock) as transaction:
            account, budget = await transaction.get(intent.execution_id)
            receipt = await _receipt(transaction.connection, intent.call_id)
            if receipt is not None:
                return receipt
            if intent.attempt > 1:
                await _doubt_earlier(transaction, intent)
            if intent.bound_usd is not None:
                intent = replace(intent, bound_usd=as_kept(intent.bound_usd))
            await self._open(transaction, intent, account, budget)
        return None

    async def close(
        self,
        intent: Intent,
        sale: Sale | None,
        outcome: str,
        *,
        cancelled: bool = False,
        receipt: Receipt | None = None,
    ) -> Decimal | None:
        """Record how an attempt ended, and the answer with it. Idempotent.

        Args:
            intent: As it was begun.
            sale: What it cost; None when it surely cost nothing.
            outcome: `success`, or the error's code.
            cancelled: Whether it was aborted.
            receipt: The answer, when there is one.

        Returns:
            The cost of all attempts at the call so far; None when a part is unknown.
        """
        state = AttemptState.CANCELLED if cancelled else AttemptState.CONFIRMED
        async with booking(self._engine, self._default, self._clock) as transaction:
            account, budget = await transaction.get(intent.execution_id)
            is_awaited = await _is_awaited(transaction, intent, account)
            freed = await _end(transaction, intent, state, outcome)
            spent = NOTHING
            if sale is not None:
                spent = await self._enter(transaction, account, intent, sale)
            if receipt is not None and is_awaited:
                await self._keep(transaction, intent, receipt)
            cost = (await total_of(transaction.connection, call_id=intent.call_id)).total
            after = replace(
                account,
                spent_usd=account.spent_usd + spent,
                open_usd=account.open_usd - freed,
            )
            await transaction.move(account, after, budget)
        return cost

    async def doubt(self, intent: Intent, outcome: str) -> None:
        """Record that an attempt has ended and may have been sold, and nobody knows for what."""
        async with writing(self._engine) as connection:
            await connection.execute(
                update(attempts)
                .where(_is(intent), attempts.c.state == AttemptState.OPEN.value)
                .values(
                    state=AttemptState.UNCONFIRMED.value,
                    outcome=outcome,
                    closed_at=self._clock(),
                )
            )

    async def reconcile(self, call_id: str, attempt: int, sale: Sale | None) -> bool:
        """Record what is known by now of an attempt that is unconfirmed, from the provider's books.

        Args:
            call_id: Which call.
            attempt: Which attempt at it.
            sale: What was sold; None when it was not.

        Returns:
            Whether there was such an attempt.
        """
        query = select(attempts).filter_by(
            call_id=call_id, attempt=attempt, state=AttemptState.UNCONFIRMED.value
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return False
        intent = Intent(
            execution_id=row.execution_id,
            tenant_id=row.tenant_id,
            step=row.step,
            provider=row.provider,
            model=row.model,
            call_id=row.call_id,
            attempt=row.attempt,
            candidate=row.candidate,
            item=row.item,
        )
        await self.close(intent, sale, "reconciled")
        return True

    async def _open(
        self, transaction: Booking, intent: Intent, account: RunAccount, budget: Budget
    ) -> None:
        is_hard = budget.policy is BudgetPolicy.HARD_BLOCK
        bound = _bound(intent) if is_hard or account.cap_usd is not None else NOTHING
        insert = (
            insert_into(attempts, self._engine)
            .values(
                call_id=intent.call_id,
                attempt=intent.attempt,
                execution_id=intent.execution_id,
                tenant_id=intent.tenant_id,
                step=intent.step,
                item=intent.item,
                candidate=intent.candidate,
                provider=intent.provider,
                model=intent.model,
                bound_usd=intent.bound_usd,
                held_usd=bound,
                state=AttemptState.OPEN.value,
                opened_at=transaction.now,
            )
            .on_conflict_do_nothing()
            .returning(attempts.c.held_usd)
        )
        held = (await transaction.connection.execute(insert)).scalar_one_or_none()
        if held is None:
            await _check_open(transaction.connection, intent)
        if not held:  # it costs nothing, or was begun before
            return
        after = replace(account, open_usd=account.open_usd + held)
        if account.state is ReservationState.RELEASED:
            after = replace(after, state=ReservationState.SETTLED)
        if account.cap_usd is not None and after.hold_usd > account.cap_usd:
            raise BudgetExceeded(
                policy=CAP,
                limit_usd=account.cap_usd,
                spent_usd=account.spent_usd,
                reserved_usd=account.open_usd,
                needed_usd=held,
                resets_at=end_of(account.period),
            )
        leaving = NOTHING if is_hard else None
        await transaction.move(account, after, budget, leaving=leaving, needed_usd=held)

    async def _enter(
        self, transaction: Booking, account: RunAccount, intent: Intent, sale: Sale
    ) -> Decimal:
        """Write the entry; returns what it adds to what is spent."""
        bought = select(receipts.c.call_id).where(receipts.c.call_id == intent.call_id)
        insert = (
            insert_into(entries, self._engine)
            .values(
                tenant_id=account.tenant_id,
                execution_id=account.execution_id,
                pipeline=account.pipeline,
                tags=account.tags,
                step=intent.step,
                item=intent.item,
                candidate=intent.candidate,
                provider=intent.provider,
                model=intent.model,
                call_id=intent.call_id,
                attempt=intent.attempt,
                usage=dict(sale.usage),
                unit_prices=dict(sale.unit_prices),
                cost_usd=sale.cost_usd,
                price_source=sale.price_source,
                duplicate=bought.exists(),
                day=account.day,
                created_at=transaction.now,
            )
            .on_conflict_do_nothing()
            .returning(entries.c.cost_usd)
        )
        cost = (await transaction.connection.execute(insert)).scalar_one_or_none()
        return NOTHING if cost is None else cost

    async def _keep(self, transaction: Booking, intent: Intent, receipt: Receipt) -> None:
        values = {
            "attempt": intent.attempt,
            "answer": receipt.answer,
            "artifact_id": receipt.artifact_id,
            "created_at": transaction.now,
            "wiped_at": None,
        }
        insert = insert_into(receipts, self._engine).values(
            call_id=intent.call_id, execution_id=intent.execution_id, **values
        )
        # The first answer stays; only what was wiped is replaced.
        await transaction.connection.execute(
            insert.on_conflict_do_update(
                index_elements=["call_id"], set_=values, where=receipts.c.wiped_at.is_not(None)
            )
        )


def _bound(intent: Intent) -> Decimal:
    if intent.bound_usd is not None:
        return intent.bound_usd
    if not intent.bound_tried:
        raise BoundNeeded
    raise UnboundedCall(
        f"{intent.provider}/{intent.model} can't be asked under a hard limit: "
        "there is no upper bound of what this call may cost."
    )


async def _check_open(connection: AsyncConnection, intent: Intent) -> None:
    """Tell an attempt that is begun twice from one that has ended under the same number.

    Raises:
        AttemptTaken: It has ended.
    """
    query = select(attempts.c.state).where(_is(intent))
    if (await connection.execute(query)).scalar_one() != AttemptState.OPEN.value:
        raise AttemptTaken


def _is(intent: Intent) -> Any:
    return (attempts.c.call_id == intent.call_id) & (attempts.c.attempt == intent.attempt)


async def _receipt(connection: AsyncConnection, call_id: str) -> Receipt | None:
    query = select(receipts).where(receipts.c.call_id == call_id, receipts.c.wiped_at.is_(None))
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Receipt(row.answer, row.artifact_id)


async def _doubt_earlier(transaction: Booking, intent: Intent) -> None:
    await transaction.connection.execute(
        update(attempts)
        .where(
            attempts.c.call_id == intent.call_id,
            attempts.c.attempt < intent.attempt,
            attempts.c.state == AttemptState.OPEN.value,
        )
        .values(
            state=AttemptState.UNCONFIRMED.value, outcome="worker_lost", closed_at=transaction.now
        )
    )


async def _is_awaited(transaction: Booking, intent: Intent, account: RunAccount) -> bool:
    """Say whether anybody may come for the answer: not if the run has ended under the attempt."""
    if account.state is ReservationState.HELD:
        return True
    query = select(attempts.c.state).where(_is(intent))
    found = (await transaction.connection.execute(query)).scalar_one_or_none()
    return found == AttemptState.OPEN.value


async def _end(transaction: Booking, intent: Intent, state: AttemptState, outcome: str) -> Decimal:
    """Close the attempt; returns what it held."""
    statement = (
        update(attempts)
        .where(_is(intent), is_undecided)
        .values(state=state.value, outcome=outcome, closed_at=transaction.now)
        .returning(attempts.c.held_usd)
    )
    held = (await transaction.connection.execute(statement)).scalar_one_or_none()
    return NOTHING if held is None else held
