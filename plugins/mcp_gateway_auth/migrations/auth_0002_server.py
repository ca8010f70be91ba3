"""People, their browsers, clients and authorization codes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "auth_0002_server"
down_revision = "auth_0001_families"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "auth_users",
        sa.Column("user_id", KEY, primary_key=True),
        sa.Column("name_key", KEY, nullable=False, unique=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("is_operator", sa.Boolean, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "auth_cookies",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("auth_cookies_user", "auth_cookies", ["user_id"])
    op.create_index("auth_cookies_expiry", "auth_cookies", ["expires_at"])
    op.create_table(
        "auth_clients",
        sa.Column("client_id", KEY, primary_key=True),
        sa.Column("secret_digest", sa.LargeBinary),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT),
        sqlite_with_rowid=False,
    )
    op.create_index("auth_clients_created", "auth_clients", ["created_at"])
    op.create_table(
        "auth_codes",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("user_id", KEY, nullable=False),
        sa.Column("consent", sa.Text, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("redeemed_at", MOMENT),
        sa.Column("family_id", sa.Text),
        sa.Column("is_replayed", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("auth_codes_user", "auth_codes", ["user_id"])
    op.create_index("auth_codes_expiry", "auth_codes", ["expires_at"])
    op.create_table(
        "auth_allowances",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("full_at_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("auth_allowances_full", "auth_allowances", ["full_at_us"])
