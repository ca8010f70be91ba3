"""Token families, and the keys that sign their tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "auth_0001_families"
down_revision = None
branch_labels = ("auth",)
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "auth_families",
        sa.Column("family_id", KEY, primary_key=True),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("granted", sa.Text, nullable=False),
        sa.Column("state", sa.Text),
        sa.Column("begun_ms", sa.BigInteger, nullable=False),
        sa.Column("good_until_ms", sa.BigInteger, nullable=False),
        sa.Column("ended_ms", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("auth_families_by_user", "auth_families", ["user_id"])
    op.create_index("auth_families_by_good_until", "auth_families", ["good_until_ms"])
    op.create_index("auth_families_by_ended", "auth_families", ["ended_ms"])
    op.create_table(
        "auth_signing_keys",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kid", KEY, nullable=False, unique=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("signs_from_ms", sa.BigInteger, nullable=False),
    )
