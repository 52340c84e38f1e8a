"""The tables of the ledger.

Amounts are exact (`Usd`), times are UTC. Entries are only ever added. What changes is kept beside
them: how much of a month is spent and reserved, what a run holds, how an attempt ended. Each of
these can be worked out again from the entries and attempts; `ledger.reports.verify` does.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

from ledger.database import Usd

metadata = MetaData()

budgets = Table(
    "budgets",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("limit_usd", Usd, nullable=False),
    Column("policy", String(16), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
)
"""Limits that somebody has set; every other tenant has the settings' default."""

periods = Table(
    "periods",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    Column("period", String(7), primary_key=True),
    Column("spent_usd", Usd, nullable=False),
    Column("reserved_usd", Usd, nullable=False),
    Column("warned_at", DateTime(timezone=True)),
)
"""A tenant's calendar month (UTC, `YYYY-MM`): the sums of its entries and of its reservations."""

reservations = Table(
    "reservations",
    metadata,
    Column("execution_id", String(64), primary_key=True),
    Column("tenant_id", String(64), nullable=False, index=True),
    Column("pipeline", String(130), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("period", String(7), nullable=False),
    Column("day", Date, nullable=False),
    Column("amount_usd", Usd, nullable=False),
    Column("cap_usd", Usd),
    Column("spent_usd", Usd, nullable=False),
    Column("open_usd", Usd, nullable=False),
    Column("reserved_usd", Usd, nullable=False),
    Column("state", String(16), nullable=False),
    Column("lease_until", DateTime(timezone=True), nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
)
"""What a run keeps others from spending; `ledger.accounts.RunAccount` says how it is worked out."""

attempts = Table(
    "attempts",
    metadata,
    Column("call_id", String(200), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("execution_id", String(64), nullable=False, index=True),
    Column("tenant_id", String(64), nullable=False),
    Column("step", String(64), nullable=False),
    Column("item", Integer),
    Column("candidate", Integer, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("model", String(128), nullable=False),
    Column("bound_usd", Usd),
    Column("held_usd", Usd, nullable=False),
    Column("state", String(16), nullable=False),
    Column("outcome", String(64)),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
)
"""The intent before each call: written before the provider is asked, closed when it has ended."""

entries = Table(
    "entries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", String(64), nullable=False),
    Column("execution_id", String(64), nullable=False, index=True),
    Column("pipeline", String(130), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("step", String(64), nullable=False),
    Column("item", Integer),
    Column("candidate", Integer, nullable=False),
    Column("provider", String(64), nullable=False),
    Column("model", String(128), nullable=False),
    Column("call_id", String(200), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("usage", JSON, nullable=False),
    Column("unit_prices", JSON, nullable=False),
    Column("cost_usd", Usd),
    Column("price_source", String(200), nullable=False),
    Column("duplicate", Boolean, nullable=False),
    Column("day", Date, nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("call_id", "attempt", name="entries_call_attempt"),
)
"""What was bought. `day` is that of the run's admission: its month pays for the whole run."""

receipts = Table(
    "receipts",
    metadata,
    Column("call_id", String(200), primary_key=True),
    Column("execution_id", String(64), nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("answer", JSON(none_as_null=True)),
    Column("artifact_id", String(40)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("wiped_at", DateTime(timezone=True)),
)
"""The answer to each call, so that a retry of the call need not buy it again."""
