"""The records that could not be used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "ingestion_0001"
down_revision = None
branch_labels = ("ingestion",)
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "ingestion_rejected_records",
        sa.Column("source", KEY, primary_key=True),
        sa.Column("file", KEY, primary_key=True),
        sa.Column("line_number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("record_key", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("digest", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_with_rowid=False,
    )
