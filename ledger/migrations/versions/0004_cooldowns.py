"""Cooldowns of providers."""

import sqlalchemy as sa
from alembic import op

from ledger.database import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their table."""
    op.create_table(
        "cooldowns",
        sa.Column("provider", sa.String, primary_key=True),
        sa.Column("model", sa.String, primary_key=True),
        sa.Column("credential", sa.String, primary_key=True),
        sa.Column("until", UtcDateTime(), nullable=False),
        sa.Column("code", sa.String, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("cooldowns")
