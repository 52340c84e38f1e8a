"""The ledger as the rooms above see it."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.budgets import Budget, Budgets, Clock, utc_now
from ledger.calls import Calls
from ledger.cooldowns import Cooldowns
from ledger.idempotency import IdempotencyKeys
from ledger.reports import Reports
from ledger.runs import LEASE, Runs


class Ledger:
    """Everything that has to do with money, over one database.

    Attributes:
        budgets: How much a tenant may spend.
        runs: What a run reserves, and how it is settled.
        calls: What every attempt at a call may cost, and did.
        reports: What was spent.
        keys: Which execution an idempotency key stands for.
        cooldowns: Which providers nobody is to ask, until when.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        default: Budget,
        *,
        lease: timedelta = LEASE,
        clock: Clock = utc_now,
    ) -> None:
        """Take the engine of a migrated database, and the budget of tenants that have none."""
        self.budgets = Budgets(engine, default, clock)
        self.runs = Runs(engine, default, clock, lease)
        self.calls = Calls(engine, default, clock)
        self.reports = Reports(engine)
        self.keys = IdempotencyKeys(engine)
        self.cooldowns = Cooldowns(engine)
