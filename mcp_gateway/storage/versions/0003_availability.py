"""Languages and the life of offers, and the badges of titles."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_availability"
down_revision = "0002_outbox"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the columns. What stands was last seen when it was observed."""
    op.add_column("titles", sa.Column("badges", sa.Text, nullable=False, server_default="[]"))
    op.add_column("offers", sa.Column("audio", sa.Text, nullable=False, server_default="[]"))
    op.add_column("offers", sa.Column("subtitles", sa.Text, nullable=False, server_default="[]"))
    op.add_column("offers", sa.Column("seen_at", TIME, nullable=False, server_default="1970-01-01 00:00:00.000000"))
    op.add_column("offers", sa.Column("ended_at", TIME))
    op.add_column("offers", sa.Column("missed_at", TIME))
    op.execute("UPDATE offers SET seen_at = observed_at")
    ends = sa.text("ended_at IS NULL AND valid_until IS NOT NULL")
    op.create_index("offers_by_end", "offers", ["valid_until"], postgresql_where=ends, sqlite_where=ends)
