"""The rules of money once more, in plain Python: what the ledger is held against.

Nothing is kept here that is a sum of something else: what a run or a month has spent and reserved
is added up anew each time. Every operation answers what the ledger has to answer: a `Refusal`, or
the value. A refused operation changes nothing.
"""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ledger.accounts import AttemptState, ReservationState
from ledger.budgets import Budget
from ledger.runs import RunRequest
from settings import BudgetPolicy

NOTHING = Decimal(0)
PICODOLLAR = Decimal("1e-12")
LEASE = timedelta(minutes=15)
UNCONFIRMED_LEASE = timedelta(hours=24)
UNDECIDED = (AttemptState.OPEN, AttemptState.UNCONFIRMED)


Answer = dict[str, Any]
Rows = dict[str, dict[tuple[Any, ...], tuple[Any, ...]]]
"""By table and key."""


def kept(amount: Decimal) -> Decimal:
    """Return an amount as it is kept, in whole picodollars."""
    return amount.quantize(PICODOLLAR)


def kept_or_none(amount: Decimal | None) -> Decimal | None:
    return None if amount is None else kept(amount)


def _wanted(request: RunRequest) -> Decimal:
    amount, cap = request.amount_usd, request.cap_usd
    return kept(amount if cap is None else min(amount, cap))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an operation is refused: an error's code, and the figures that explain it."""

    code: str
    figures: tuple[str | Decimal | None, ...] = ()


@dataclass(slots=True)
class ModelAttempt:
    """An attempt; `price` is what it was sold for, null when unknown."""

    bound: Decimal | None
    held: Decimal
    state: AttemptState = AttemptState.OPEN
    outcome: str | None = None
    sold: bool = False
    price: Decimal | None = None
    duplicate: bool = False

    @property
    def is_doubtful(self) -> bool:
        return self.state in UNDECIDED and self.bound != NOTHING


@dataclass(slots=True)
class ModelRun:
    """A run; `answers` holds null for one that was wiped."""

    tenant: str
    day: date
    cap: Decimal | None
    lease_until: datetime
    amount: Decimal = NOTHING
    state: ReservationState = ReservationState.HELD
    attempts: dict[tuple[str, int], ModelAttempt] = field(default_factory=dict)
    answers: dict[str, Answer | None] = field(default_factory=dict)

    @property
    def spent(self) -> Decimal:
        return sum((one.price or NOTHING for one in self.attempts.values()), NOTHING)

    @property
    def open(self) -> Decimal:
        holding = (one.held for one in self.attempts.values() if one.state in UNDECIDED)
        return sum(holding, NOTHING)

    @property
    def reserved(self) -> Decimal:
        if self.state is ReservationState.RELEASED:
            return NOTHING
        left = self.amount - self.spent if self.state is ReservationState.HELD else NOTHING
        return max(left, self.open, NOTHING)

    @property
    def period(self) -> str:
        return f"{self.day:%Y-%m}"

    def total(self, call: str | None = None) -> Decimal | None:
        """Add up the run or one of its calls; None when a part is unknown."""
        mine = [one for (name, _), one in self.attempts.items() if call in {None, name}]
        if any(one.is_doubtful or (one.sold and one.price is None) for one in mine):
            return None
        return sum((one.price or NOTHING for one in mine), NOTHING)

    def doubt_before(self, call: str, number: int) -> None:
        """Nobody hears of earlier attempts at a call any more."""
        for (name, earlier), one in self.attempts.items():
            if name == call and earlier < number and one.state is AttemptState.OPEN:
                one.state, one.outcome = AttemptState.UNCONFIRMED, "worker_lost"

    def end(self) -> None:
        """Nobody hears of open calls any more, and nobody needs the answers."""
        for one in self.attempts.values():
            if one.state is AttemptState.OPEN:
                one.state = AttemptState.UNCONFIRMED
        self.answers = dict.fromkeys(self.answers)


@dataclass(slots=True)
class Books:
    """What there is: tenants with a budget of their own, runs, and a clock."""

    default: Budget
    now: datetime
    budgets: dict[str, Budget] = field(default_factory=dict)
    runs: dict[str, ModelRun] = field(default_factory=dict)

    def budget(self, tenant: str) -> Budget:
        return self.budgets.get(tenant, self.default)

    def month(self, tenant: str, period: str) -> tuple[Decimal, Decimal]:
        """Return what a month has spent and reserved."""
        mine = [run for run in self.runs.values() if (run.tenant, run.period) == (tenant, period)]
        spent, reserved = (run.spent for run in mine), (run.reserved for run in mine)
        return sum(spent, NOTHING), sum(reserved, NOTHING)

    def taken(self, tenant: str, period: str) -> Decimal:
        return sum(self.month(tenant, period), NOTHING)

    def months(self) -> Iterator[tuple[str, str]]:
        yield from {(run.tenant, run.period) for run in self.runs.values()}

    def attempts_at(self, name: str, call: str) -> int:
        run = self.runs.get(name)
        return max((n for c, n in run.attempts if c == call), default=0) if run else 0

    def reserve(self, request: RunRequest, *, reopen: bool = False) -> Refusal | None:
        """Make a reservation, or raise the one that there is."""
        amount, until = _wanted(request), self.now + LEASE
        before = self.runs.get(request.execution_id)
        if before and before.state is ReservationState.SETTLED and not reopen:
            return None
        after = deepcopy(before) or ModelRun(
            request.tenant_id, self.now.date(), kept_or_none(request.cap_usd), until
        )
        after.amount, after.lease_until = max(after.amount, amount), until
        after.state = ReservationState.HELD
        leaving = (NOTHING if after.amount else None) if request.is_known else PICODOLLAR
        is_there = before and (before.state, before.amount) == (after.state, after.amount)
        if self.budget(request.tenant_id).policy is BudgetPolicy.WARN or is_there:
            leaving = None
        needed = amount if request.is_known else None
        return self._move(request.execution_id, after, leaving, needed)

    def admit(self, request: RunRequest) -> Refusal | bool:
        """Do the same, unless it is there already; tells whether calls need a bound."""
        run = self.runs.get(request.execution_id)
        if (
            run is None
            or run.state is not ReservationState.HELD
            or run.amount < _wanted(request)
            or run.lease_until <= self.now
        ):
            refusal = self.reserve(request, reopen=True)
            if refusal:
                return refusal
        is_hard = self.budget(request.tenant_id).policy is BudgetPolicy.HARD_BLOCK
        return is_hard or request.cap_usd is not None

    def begin(
        self, name: str, call: str, number: int, bound: Decimal | None, *, tried: bool
    ) -> Refusal | Answer | None:
        """Open an attempt; returns the call's answer instead where there is one."""
        run = self.runs.get(name)
        if run is None:
            return Refusal("not_admitted")
        answer = run.answers.get(call)
        if answer is not None:
            return answer
        is_hard = self.budget(run.tenant).policy is BudgetPolicy.HARD_BLOCK
        needs_bound = is_hard or run.cap is not None
        if needs_bound and bound is None:
            return Refusal("unbounded_call" if tried else "bound_needed")
        after = deepcopy(run)
        after.doubt_before(call, number)
        held = kept(bound) if needs_bound and bound else NOTHING
        begun = after.attempts.get((call, number))
        if begun and begun.state is not AttemptState.OPEN:
            return Refusal("attempt_taken")
        if begun:  # nothing more is held for it
            held = NOTHING
        else:
            after.attempts[call, number] = ModelAttempt(kept_or_none(bound), held)
        if held and run.cap is not None and after.spent + after.open > run.cap:
            figures = ("max_cost_usd", run.cap, run.spent, run.open, held)
            return Refusal("budget_exceeded", figures)
        if held and run.state is ReservationState.RELEASED:
            after.state = ReservationState.SETTLED
        return self._move(name, after, NOTHING if is_hard and held else None, held)

    def close(
        self,
        name: str,
        call: str,
        number: int,
        *,
        sold: bool,
        price: Decimal | None,
        outcome: str,
        answer: Answer | None,
    ) -> Decimal | None:
        """Record how an attempt ended; returns what the call has cost so far."""
        run = self.runs[name]
        one = run.attempts[call, number]
        ended_unheard = (
            one.state is not AttemptState.OPEN and run.state is not ReservationState.HELD
        )
        if one.state in UNDECIDED:
            is_cancelled = outcome == "cancelled"
            one.state = AttemptState.CANCELLED if is_cancelled else AttemptState.CONFIRMED
            one.outcome = outcome
        if sold and not one.sold:
            one.sold, one.price = True, kept_or_none(price)
            one.duplicate = call in run.answers
        if answer is not None and run.answers.get(call) is None and not ended_unheard:
            run.answers[call] = answer
        return run.total(call)

    def doubt(self, name: str, call: str, number: int, outcome: str) -> None:
        """An attempt has ended, and nobody knows whether it was sold."""
        one = self.runs[name].attempts[call, number]
        if one.state is AttemptState.OPEN:
            one.state, one.outcome = AttemptState.UNCONFIRMED, outcome

    def reconcile(self, name: str, call: str, number: int, price: Decimal | None) -> bool:
        """Record what somebody knows of an unconfirmed attempt; false when it is not one."""
        if self.runs[name].attempts[call, number].state is not AttemptState.UNCONFIRMED:
            return False
        sold = price is not None
        self.close(name, call, number, sold=sold, price=price, outcome="reconciled", answer=None)
        return True

    def void(self, name: str, call: str) -> None:
        """Forget an answer, so that the call is made again."""
        answers = self.runs[name].answers
        answers.update({call: None} if call in answers else {})

    def settle(self, name: str) -> tuple[Decimal | None, bool]:
        """End a run; returns its total, and whether this was what ended it."""
        run = self.runs.get(name)
        if run is None:
            return NOTHING, True
        run.end()
        is_first = run.state is ReservationState.HELD
        if is_first:
            run.state, run.lease_until = ReservationState.SETTLED, self.now + UNCONFIRMED_LEASE
        return run.total(), is_first

    def extend(self, name: str) -> None:
        """Renew the lease of a run that is under way."""
        self.runs[name].lease_until = self.now + LEASE

    def release(self, name: str) -> None:
        """Give back what a run holds whose lease is over."""
        run = self.runs[name]
        if run.lease_until > self.now:
            return
        run.end()
        if run.state is ReservationState.HELD and run.open:
            run.state, run.lease_until = ReservationState.SETTLED, self.now + UNCONFIRMED_LEASE
        else:
            run.state = ReservationState.RELEASED

    def expired(self) -> set[str]:
        """Name the runs that hold something and have outlived their lease."""
        return {
            name
            for name, run in self.runs.items()
            if run.lease_until <= self.now and (run.state is ReservationState.HELD or run.reserved)
        }

    def rows(self) -> Rows:
        """Say what stands in each table."""
        rows: Rows = {
            name: {} for name in ("periods", "reservations", "attempts", "entries", "receipts")
        }
        for month in self.months():
            rows["periods"][month] = self.month(*month)
        for name, run in self.runs.items():
            rows["reservations"][(name,)] = (
                *(run.tenant, run.period, run.day, run.cap, run.state),
                *(run.amount, run.spent, run.open, run.reserved),
            )
            for (call, number), one in run.attempts.items():
                key = (name, f"{name}/{call}", number)
                rows["attempts"][key] = (run.tenant, one.state, one.outcome, one.bound, one.held)
                if one.sold:
                    rows["entries"][key] = (run.tenant, run.day, one.price, one.duplicate)
            for call, answer in run.answers.items():
                rows["receipts"][name, f"{name}/{call}"] = (answer,)
        return rows

    def _move(
        self, name: str, after: ModelRun, leaving: Decimal | None, needed: Decimal | None
    ) -> Refusal | None:
        """Put a run's new state in the place of the old, where that leaves enough."""
        before = self.runs.get(name)
        budget = self.budget(after.tenant)
        spent, reserved = self.month(after.tenant, after.period)
        self.runs[name] = after
        taken = self.taken(after.tenant, after.period)
        if leaving is None or taken + leaving <= budget.limit_usd:
            return None
        if before is None:
            del self.runs[name]
        else:
            self.runs[name] = before
        figures = (budget.policy.value, budget.limit_usd, spent, reserved, needed)
        return Refusal("budget_exceeded", figures)
