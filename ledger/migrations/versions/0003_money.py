"""Budgets, reservations, attempts and receipts; entries say more."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from ledger.database import Usd

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


_DEFAULTED: dict[str, sa.types.TypeEngine[Any]] = {
    "tags": sa.JSON(),
    "candidate": sa.Integer(),
    "unit_prices": sa.JSON(),
    "duplicate": sa.Boolean(),
}


def upgrade() -> None:
    """Create the tables; runs that are there are settled, on the day of their first entry."""
    _create_accounts()
    _create_calls()
    with op.batch_alter_table("entries") as batch:
        batch.add_column(sa.Column("tags", sa.JSON, nullable=False, server_default="{}"))
        batch.add_column(sa.Column("item", sa.Integer))
        batch.add_column(sa.Column("candidate", sa.Integer, nullable=False, server_default="0"))
        batch.add_column(sa.Column("unit_prices", sa.JSON, nullable=False, server_default="{}"))
        batch.add_column(
            sa.Column("duplicate", sa.Boolean, nullable=False, server_default=sa.false())
        )
        batch.add_column(sa.Column("day", sa.Date))
    op.execute(
        "UPDATE entries SET day = (SELECT date(min(other.created_at)) FROM entries AS other "
        "WHERE other.execution_id = entries.execution_id)"
    )
    with op.batch_alter_table("entries") as batch:
        batch.alter_column("day", existing_type=sa.Date, nullable=False)
        for name, kind in _DEFAULTED.items():
            batch.alter_column(name, existing_type=kind, server_default=None)
        batch.create_index("ix_entries_tenant_id_day", ["tenant_id", "day"])
    _fill_periods()


def _create_accounts() -> None:
    op.create_table(
        "budgets",
        sa.Column("tenant_id", sa.String, primary_key=True),
        sa.Column("limit_usd", Usd(), nullable=False),
        sa.Column("policy", sa.String, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "periods",
        sa.Column("tenant_id", sa.String, primary_key=True),
        sa.Column("period", sa.String, primary_key=True),
        sa.Column("spent_usd", Usd(), nullable=False),
        sa.Column("reserved_usd", Usd(), nullable=False),
        sa.Column("warned_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "reservations",
        sa.Column("execution_id", sa.String, primary_key=True),
        sa.Column("tenant_id", sa.String, nullable=False, index=True),
        sa.Column("pipeline", sa.String, nullable=False),
        sa.Column("tags", sa.JSON, nullable=False),
        sa.Column("period", sa.String, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("amount_usd", Usd(), nullable=False),
        sa.Column("cap_usd", Usd()),
        sa.Column("spent_usd", Usd(), nullable=False),
        sa.Column("open_usd", Usd(), nullable=False),
        sa.Column("reserved_usd", Usd(), nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    _index_part(
        "ix_reservations_holding",
        "reservations",
        "lease_until",
        "state = 'held' OR reserved_usd > 0",
    )


def _create_calls() -> None:
    op.create_table(
        "attempts",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("execution_id", sa.String, nullable=False, index=True),
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("item", sa.Integer),
        sa.Column("candidate", sa.Integer, nullable=False),
        sa.Column("provider", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("bound_usd", Usd()),
        sa.Column("held_usd", Usd(), nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("outcome", sa.String),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
    )
    _index_part(
        "ix_attempts_undecided", "attempts", "tenant_id", "state IN ('open', 'unconfirmed')"
    )
    op.create_table(
        "receipts",
        sa.Column("call_id", sa.String, primary_key=True),
        sa.Column("execution_id", sa.String, nullable=False, index=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("answer", sa.JSON),
        sa.Column("artifact_id", sa.String),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wiped_at", sa.DateTime(timezone=True)),
    )


def _index_part(name: str, table: str, column: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)


def _fill_periods() -> None:
    """Add up what the entries that are there have spent, and give each run its account."""
    op.execute(
        "INSERT INTO periods (tenant_id, period, spent_usd, reserved_usd) "
        "SELECT tenant_id, substr(cast(day AS varchar(10)), 1, 7), coalesce(sum(cost_usd), 0), 0 "
        "FROM entries GROUP BY tenant_id, substr(cast(day AS varchar(10)), 1, 7)"
    )
    op.execute(
        "INSERT INTO reservations (execution_id, tenant_id, pipeline, tags, period, day, "
        "amount_usd, spent_usd, open_usd, reserved_usd, state, lease_until, created_at) "
        "SELECT execution_id, min(tenant_id), min(pipeline), '{}', "
        "substr(cast(min(day) AS varchar(10)), 1, 7), min(day), 0, coalesce(sum(cost_usd), 0), "
        "0, 0, 'settled', min(created_at), min(created_at) FROM entries GROUP BY execution_id"
    )
    op.execute(
        "INSERT INTO attempts (call_id, attempt, execution_id, tenant_id, step, candidate, "
        "provider, model, held_usd, state, outcome, opened_at, closed_at) "
        "SELECT call_id, attempt, execution_id, tenant_id, step, 0, provider, model, 0, "
        "'confirmed', 'success', created_at, created_at FROM entries"
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("receipts", "attempts", "reservations", "periods", "budgets"):
        op.drop_table(table)
    with op.batch_alter_table("entries") as batch:
        batch.drop_index("ix_entries_tenant_id_day")
        for column in ("day", "duplicate", "unit_prices", "candidate", "item", "tags"):
            batch.drop_column(column)
