"""The tables of the ledger.

Amounts are exact (`Usd`), times are UTC. Entries are only ever added. What changes is kept beside
them: how much of a month is spent and reserved, what a run holds, how an attempt ended. Each of
these can be worked out again from the entries and attempts; `ledger.reports.verify` does.

No text has a greatest length: PostgreSQL would refuse to book what was bought of a model with a
long name, and SQLite would not.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    literal_column,
    or_,
)

from ledger.database import Usd, UtcDateTime

metadata = MetaData()

budgets = Table(
    "budgets",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("limit_usd", Usd, nullable=False),
    Column("policy", String, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)
"""Limits that somebody has set; every other tenant has the settings' default."""

periods = Table(
    "periods",
    metadata,
    Column("tenant_id", String, primary_key=True),
    Column("period", String, primary_key=True),
    Column("spent_usd", Usd, nullable=False),
    Column("reserved_usd", Usd, nullable=False),
    Column("warned_at", UtcDateTime),
)
"""A tenant's calendar month (UTC, `YYYY-MM`): the sums of its entries and of its reservations."""

reservations = Table(
    "reservations",
    metadata,
    Column("execution_id", String, primary_key=True),
    Column("tenant_id", String, nullable=False, index=True),
    Column("pipeline", String, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("period", String, nullable=False),
    Column("day", Date, nullable=False),
    Column("amount_usd", Usd, nullable=False),
    Column("cap_usd", Usd),
    Column("spent_usd", Usd, nullable=False),
    Column("open_usd", Usd, nullable=False),
    Column("reserved_usd", Usd, nullable=False),
    Column("state", String, nullable=False),
    Column("lease_until", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)
"""What a run keeps others from spending; `ledger.accounts.RunAccount` says how it is worked out."""

is_holding = or_(
    reservations.c.state == literal_column("'held'"),
    reservations.c.reserved_usd > literal_column("0"),
)
"""Tells of a reservation that somebody has to look after. Literals: a part's index needs them."""

Index(
    "ix_reservations_holding",
    reservations.c.lease_until,
    sqlite_where=is_holding,
    postgresql_where=is_holding,
)

attempts = Table(
    "attempts",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("execution_id", String, nullable=False, index=True),
    Column("tenant_id", String, nullable=False),
    Column("step", String, nullable=False),
    Column("item", Integer),
    Column("candidate", Integer, nullable=False),
    Column("provider", String, nullable=False),
    Column("model", String, nullable=False),
    Column("bound_usd", Usd),
    Column("held_usd", Usd, nullable=False),
    Column("state", String, nullable=False),
    Column("outcome", String),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),
)
"""The intent before each call: written before the provider is asked, closed when it has ended."""

is_undecided = attempts.c.state.in_([literal_column("'open'"), literal_column("'unconfirmed'")])
"""Tells of an attempt that it may have been sold without an entry that says so."""

Index(
    "ix_attempts_undecided",
    attempts.c.tenant_id,
    sqlite_where=is_undecided,
    postgresql_where=is_undecided,
)

entries = Table(
    "entries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("tenant_id", String, nullable=False),
    Column("execution_id", String, nullable=False, index=True),
    Column("pipeline", String, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("step", String, nullable=False),
    Column("item", Integer),
    Column("candidate", Integer, nullable=False),
    Column("provider", String, nullable=False),
    Column("model", String, nullable=False),
    Column("call_id", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("usage", JSON, nullable=False),
    Column("unit_prices", JSON, nullable=False),
    Column("cost_usd", Usd),
    Column("price_source", String, nullable=False),
    Column("duplicate", Boolean, nullable=False),
    Column("day", Date, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("call_id", "attempt", name="entries_call_attempt"),
    Index("ix_entries_tenant_id_day", "tenant_id", "day"),
)
"""What was bought. `day` is that of the run's admission: its month pays for the whole run."""

cooldowns = Table(
    "cooldowns",
    metadata,
    Column("provider", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("credential", String, primary_key=True),
    Column("until", UtcDateTime, nullable=False),
    Column("code", String, nullable=False),
)
"""Whom nobody is to ask until when."""

receipts = Table(
    "receipts",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("execution_id", String, nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("answer", JSON(none_as_null=True)),
    Column("artifact_id", String),
    Column("created_at", UtcDateTime, nullable=False),
    Column("wiped_at", UtcDateTime),
)
"""The answer to each call, so that a retry of the call need not buy it again."""
