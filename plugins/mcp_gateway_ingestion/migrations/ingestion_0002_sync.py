"""How far the listings of offers have been taken in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "ingestion_0002_sync"
down_revision = "ingestion_0001"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "ingestion_sync_states",
        sa.Column("source", KEY, primary_key=True),
        sa.Column("platform", KEY, primary_key=True),
        sa.Column("region", KEY, primary_key=True),
        sa.Column("holder", sa.Text),
        sa.Column("held_until_us", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
