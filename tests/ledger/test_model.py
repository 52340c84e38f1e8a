"""Whatever happens, in any order: the ledger does what plain bookkeeping does.

After every step its rows are held against `tests.bookkeeping`, every figure against the sum that it
should be, and under a hard limit what is spent and reserved against the limit.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Table, event, select
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.accounts import AttemptState, ReservationState
from ledger.books import Ledger
from ledger.budgets import Budget, begin_of, end_of
from ledger.calls import Intent, Receipt, Sale
from ledger.database import create_engine, migrate, reading
from ledger.errors import AttemptTaken, BoundNeeded, BudgetExceeded, LedgerError
from ledger.idempotency import Claim
from ledger.reports import Discrepancy, GroupBy
from ledger.runs import RunRequest
from ledger.tables import attempts, budgets, entries, periods, receipts, reservations
from settings import BudgetPolicy
from tests.bookkeeping import LEASE, NOTHING, UNDECIDED, Books, Refusal, Rows, kept
from tests.clock import StoppedClock

_T = TypeVar("_T")

BEGINNING = datetime(2026, 1, 30, 12, tzinfo=UTC)
LIMITS = st.integers(0, 60).map(lambda twentieths: Decimal(twentieths) / 20)
# Some are finer than what is kept: by half a picodollar.
AMOUNTS = st.builds(
    lambda twentieths, halves: Decimal(twentieths) / 20 + halves * Decimal("5e-13"),
    st.integers(0, 30),
    st.sampled_from((0, 0, 0, 1, 3)),
)
PARTS = st.sampled_from((Decimal(0), Decimal("0.5"), Decimal(1)))
OUTCOMES = st.sampled_from(("success", "failed", "cancelled", "unpriced", "unsold"))
TENANTS = ("tenant-1", "tenant-2")
HARD = BudgetPolicy.HARD_BLOCK

_COLUMNS: Mapping[Table, tuple[tuple[str, ...], tuple[str, ...]]] = {
    periods: (("tenant_id", "period"), ("spent_usd", "reserved_usd")),
    reservations: (
        ("execution_id",),
        (
            *("tenant_id", "period", "day", "cap_usd", "state"),
            *("amount_usd", "spent_usd", "open_usd", "reserved_usd"),
        ),
    ),
    attempts: (
        ("execution_id", "call_id", "attempt"),
        ("tenant_id", "state", "outcome", "bound_usd", "held_usd"),
    ),
    entries: (
        ("execution_id", "call_id", "attempt"),
        ("tenant_id", "day", "cost_usd", "duplicate"),
    ),
    receipts: (("execution_id", "call_id"), ("answer",)),
}
"""Of each table: what tells its rows apart, and what is compared."""


class Place(NamedTuple):
    """Where an attempt is."""

    run: str
    call: str
    number: int


class Bookkeeping(RuleBasedStateMachine):
    """Two tenants with their limits, runs, calls and months."""

    runner: asyncio.Runner
    engine: AsyncEngine
    runs: Bundle[str] = Bundle("runs")
    places: Bundle[Place] = Bundle("places")

    def __init__(self) -> None:
        super().__init__()
        self.clock = StoppedClock(BEGINNING)
        self.requests: dict[str, RunRequest] = {}
        self.taken: dict[tuple[str, ...], Decimal] = {}
        self.excused: set[str] = set()
        self.ever_soft: set[str] = set()
        self.set_up(Budget(Decimal(1), HARD))
        self.runner.run(self.wipe())

    async def wipe(self) -> None:
        async with self.engine.begin() as connection:
            for table in (budgets, *_COLUMNS):
                await connection.execute(table.delete())

    def set_up(self, default: Budget) -> None:
        self.books = Books(default, self.clock.now)
        self.ledger = Ledger(self.engine, default, lease=LEASE, clock=self.clock)

    @initialize(limit=LIMITS, policy=st.sampled_from(BudgetPolicy))
    def choose_default(self, limit: Decimal, policy: BudgetPolicy) -> None:
        self.set_up(Budget(limit, policy))
        self.ever_soft.update(() if policy is HARD else TENANTS)

    @rule(
        target=runs,
        tenant=st.sampled_from(TENANTS),
        amount=AMOUNTS,
        cap=st.one_of(st.none(), st.none(), AMOUNTS),
        known=st.booleans(),
        at_the_door=st.booleans(),
    )
    def start(
        self, tenant: str, amount: Decimal, cap: Decimal | None, *, known: bool, at_the_door: bool
    ) -> str:
        name = f"exec-{len(self.requests)}"
        self.requests[name] = RunRequest(tenant, name, "model@1", amount, known, cap)
        self.ask(self.requests[name], at_the_door=at_the_door)
        return name

    @rule(name=runs, amount=AMOUNTS, at_the_door=st.booleans())
    def ask_again(self, name: str, amount: Decimal, *, at_the_door: bool) -> None:
        self.ask(replace(self.requests[name], amount_usd=amount), at_the_door=at_the_door)

    def ask(self, run: RunRequest, *, at_the_door: bool) -> None:
        if at_the_door:
            found = self.outcome(self.ledger.runs.reserve(run))
            assert (None if isinstance(found, Claim) else found) == self.books.reserve(run)
        else:
            assert self.outcome(self.ledger.runs.admit(run)) == self.books.admit(run)

    @rule(
        target=places,
        name=runs,
        call=st.sampled_from("xy"),
        bound=st.one_of(st.none(), AMOUNTS, AMOUNTS),
        tried=st.booleans(),
    )
    def begin(self, name: str, call: str, bound: Decimal | None, *, tried: bool) -> Any:
        place = Place(name, call, self.books.attempts_at(name, call) + 1)
        self.open(place, bound, tried=tried)
        return place if self.books.attempts_at(name, call) == place.number else multiple()

    @rule(place=places, bound=st.one_of(st.none(), AMOUNTS))
    def begin_again(self, place: Place, bound: Decimal | None) -> None:
        self.open(place, bound, tried=True)

    def open(self, place: Place, bound: Decimal | None, *, tried: bool) -> None:
        found = self.outcome(self.ledger.calls.begin(self.intent(place, bound, tried=tried)))
        answer = found.answer if isinstance(found, Receipt) else found
        assert answer == self.books.begin(*place, bound, tried=tried)

    @rule(place=places, part=PARTS, outcome=OUTCOMES)
    def close(self, place: Place, part: Decimal, outcome: str) -> None:
        run = self.books.runs[place.run]
        one = run.attempts[place[1:]]
        price = part if one.bound is None else part * one.bound
        sale = Sale({"characters": 7}, {}, None if outcome == "unpriced" else price, "the model")
        receipt = Receipt({"call": place.call, "attempt": place.number})
        sold, answered = outcome != "unsold", outcome == "success"
        if sold and not one.sold and kept(price) > one.held:
            self.excuse(place)
        if sold and not one.sold and one.state not in UNDECIDED:  # said to have cost nothing
            self.excused.add(run.tenant)
        found = self.outcome(
            self.ledger.calls.close(
                self.intent(place, one.bound),
                sale if sold else None,
                outcome,
                cancelled=outcome == "cancelled",
                receipt=receipt if answered else None,
            )
        )
        assert found == self.books.close(
            *place,
            sold=sold,
            price=sale.cost_usd,
            outcome=outcome,
            answer=receipt.answer if answered else None,
        )

    @rule(place=places)
    def doubt(self, place: Place) -> None:
        self.outcome(self.ledger.calls.doubt(self.intent(place, None), "timeout"))
        self.books.doubt(*place, "timeout")

    @rule(place=places, part=PARTS, sold=st.booleans())
    def reconcile(self, place: Place, part: Decimal, *, sold: bool) -> None:
        """Do what somebody does who has looked into the provider's books."""
        one = self.books.runs[place.run].attempts[place[1:]]
        price = part if one.bound is None else part * one.bound
        if sold and one.state is AttemptState.UNCONFIRMED and kept(price) > one.held:
            self.excuse(place)
        sale = Sale({}, {}, price, "the provider's books") if sold else None
        call = self.intent(place, None).call_id
        found = self.outcome(self.ledger.calls.reconcile(call, place.number, sale))
        assert found == self.books.reconcile(*place, price if sold else None)

    @rule(place=places)
    def void(self, place: Place) -> None:
        self.outcome(self.ledger.calls.void(self.intent(place, None).call_id))
        self.books.void(place.run, place.call)

    @rule(name=runs)
    def settle(self, name: str) -> None:
        settled = self.outcome(self.ledger.runs.settle(name))
        assert not isinstance(settled, Refusal)
        assert (settled.total.total, settled.is_first) == self.books.settle(name)

    @rule(are_open=st.booleans())
    def sweep(self, *, are_open: bool) -> None:
        """Do what a sweeper does that is told whether these runs are under way."""
        found = self.outcome(self.ledger.runs.expired())
        assert not isinstance(found, Refusal)
        assert set(found) == self.books.expired()
        for name in self.books.expired():
            if are_open:
                self.outcome(self.ledger.runs.extend(name))
                self.books.extend(name)
            else:
                self.release(name)

    @rule(name=runs)
    def release(self, name: str) -> None:
        """Do so late, perhaps: what the sweeper was told may be no longer true."""
        if name in self.books.runs:
            self.outcome(self.ledger.runs.release(name))
            self.books.release(name)

    @rule(
        tenant=st.sampled_from(TENANTS),
        limit=LIMITS,
        policy=st.one_of(st.none(), st.none(), st.sampled_from(BudgetPolicy)),
    )
    def set_limit(self, tenant: str, limit: Decimal, policy: BudgetPolicy | None) -> None:
        self.outcome(self.ledger.budgets.set_limit(tenant, limit, policy))
        budget = Budget(limit, policy or self.books.budget(tenant).policy)
        self.books.budgets[tenant] = budget
        self.excused.add(tenant)
        self.ever_soft.update(() if budget.policy is HARD else (tenant,))

    @rule(passed=st.sampled_from((LEASE, timedelta(days=1), timedelta(days=2))))
    def pass_time(self, passed: timedelta) -> None:
        self.clock.now = self.books.now = self.clock.now + passed

    @invariant()
    def everything_adds_up(self) -> None:
        rows, wrong = self.runner.run(self.look())
        assert wrong == []
        assert rows == self.books.rows()
        for month, figures in rows["periods"].items():
            assert min(figures) >= 0
            self.hold_against_limit(month, sum(figures, NOTHING))
        self.excused.clear()

    def hold_against_limit(self, month: tuple[str, ...], taken: Decimal) -> None:
        """Nothing goes above a hard limit, and nothing is added to what is above a lowered one."""
        budget = self.books.budget(month[0])
        if budget.policy is HARD and month[0] not in self.excused:
            assert taken <= max(budget.limit_usd, self.taken.get(month, NOTHING))
        self.taken[month] = taken

    def excuse(self, place: Place) -> None:
        """Let a call pass that holds nothing: one that began under another policy, or a zombie."""
        run = self.books.runs[place.run]
        assert run.tenant in self.ever_soft or run.state is ReservationState.RELEASED
        self.excused.add(run.tenant)

    async def look(self) -> tuple[Rows, list[Discrepancy]]:
        rows: Rows = {}
        async with reading(self.engine) as connection:
            for table, (keys, columns) in _COLUMNS.items():
                query = select(*(table.c[name] for name in (*keys, *columns)))
                rows[table.name] = {
                    tuple(row[: len(keys)]): tuple(row[len(keys) :])
                    for row in await connection.execute(query)
                }
        return rows, list(await self.ledger.reports.verify())

    def teardown(self) -> None:
        self.runner.run(self.ask_reports())

    async def ask_reports(self) -> None:
        """Whoever is asked names the same number, to the last digit."""
        for name, run in self.books.runs.items():
            invoice = await self.ledger.reports.invoice(name)
            assert invoice is not None
            assert invoice.total == await self.ledger.runs.total(name)
            assert (invoice.total.total, invoice.total.known) == (run.total(), run.spent)
            assert sum((line.cost_usd or NOTHING for line in invoice.lines), NOTHING) == run.spent
            assert len(invoice.lines) == len(run.attempts)
        for tenant, period in self.books.months():
            begin, end = begin_of(period).date(), end_of(period).date()
            spend = await self.ledger.reports.spend(tenant, begin, end, [GroupBy.STEP])
            account = await self.ledger.budgets.account(tenant, period)
            by_step = sum((group.cost_usd for group in spend.groups), NOTHING)
            assert spend.total_usd == by_step == account.spent_usd
            assert (account.spent_usd, account.reserved_usd) == self.books.month(tenant, period)
            assert account.budget == self.books.budget(tenant)

    def intent(self, place: Place, bound: Decimal | None, *, tried: bool = False) -> Intent:
        tenant = self.requests[place.run].tenant_id
        return Intent(
            *(place.run, tenant, "step", "scripted", "model-1"),
            *(f"{place.run}/{place.call}", place.number),
            bound_usd=bound,
            bound_tried=tried,
        )

    def outcome(self, work: Awaitable[_T]) -> _T | Refusal:
        return self.runner.run(_outcome(work))


async def _outcome(work: Awaitable[_T]) -> _T | Refusal:
    try:
        return await work
    except BudgetExceeded as no:
        needed = None if no.needed_usd is None else kept(no.needed_usd)
        figures = (no.policy, no.limit_usd, no.spent_usd, no.reserved_usd, needed)
        return Refusal(no.code, figures)
    except BoundNeeded:
        return Refusal("bound_needed")
    except AttemptTaken:
        return Refusal("attempt_taken")
    except LedgerError as no:
        return Refusal(no.code)


def test_the_ledger_does_what_plain_bookkeeping_does(database_url: str) -> None:
    engine = create_engine(database_url)
    if engine.dialect.name == "sqlite":  # no power cut comes
        event.listen(engine.sync_engine, "connect", _forget_the_disk)
    with asyncio.Runner() as runner:
        runner.run(migrate(engine))
        machine = type("Machine", (Bookkeeping,), {"runner": runner, "engine": engine})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=20,
                stateful_step_count=30,
                deadline=None,
                # To make a failure's steps fewer takes minutes: with Phase.shrink, by hand.
                phases=(Phase.explicit, Phase.reuse, Phase.generate),
                suppress_health_check=list(HealthCheck),
            ),
        )
        runner.run(engine.dispose())


def _forget_the_disk(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous=OFF")
    cursor.close()
