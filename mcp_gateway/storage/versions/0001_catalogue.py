"""The catalogue: titles, people, ids, sources and offers, and the catalogue's own identity."""

from __future__ import annotations

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0001_catalogue"
down_revision = None
branch_labels = ("core",)
depends_on = None

# Compared byte by byte on both databases, so that ranges of prefixes and orders agree.
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables, and the one row of the catalogue's state."""
    _titles()
    _people()
    _ids()
    _sources()
    _offers()
    state = op.create_table(
        "catalog_state",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(state, [{"id": uuid4().hex, "revision": 0}])


def _titles() -> None:
    op.create_table(
        "titles",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_key", KEY, nullable=False),
        sa.Column("year", sa.SmallInteger),
        sa.Column("release_date", sa.Text),
        sa.Column("runtime_minutes", sa.Integer),
        sa.Column("season_count", sa.Integer),
        sa.Column("overview", sa.Text),
        sa.Column("overview_source", sa.Text),
        sa.Column("tagline", sa.Text),
        sa.Column("certification", sa.Text),
        sa.Column("original_language", sa.Text),
        sa.Column("popularity", sa.Float, nullable=False),
        sa.Column("genres", sa.Text, nullable=False),
        sa.Column("keywords", sa.Text, nullable=False),
        sa.Column("countries", sa.Text, nullable=False),
        sa.Column("alternative_titles", sa.Text, nullable=False),
        sa.Column("credits", sa.Text, nullable=False),
        sa.Column("ratings", sa.Text, nullable=False),
        sa.Column("external_ids", sa.Text, nullable=False),
        sa.Column("parent_id", KEY),
        sa.Column("season_number", sa.Integer),
        sa.Column("episode_number", sa.Integer),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.create_index("titles_by_name", "titles", ["name_key", "year", "kind"])
    op.create_index("titles_by_revision", "titles", ["revision", "id"])


def _people() -> None:
    op.create_table(
        "people",
        sa.Column("id", KEY, primary_key=True),
        sa.Column("name", KEY, nullable=False),
        sa.Column("name_key", KEY, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("people_by_name", "people", ["name_key", "id"])
    op.create_table(
        "title_people",
        sa.Column("person_id", KEY, primary_key=True),
        sa.Column("title_id", KEY, primary_key=True),
        sqlite_with_rowid=False,
    )


def _ids() -> None:
    op.create_table(
        "external_ids",
        sa.Column("scheme", sa.Text, primary_key=True),
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("value", KEY, primary_key=True),
        sa.Column("title_id", KEY, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "title_aliases",
        sa.Column("alias", KEY, primary_key=True),
        sa.Column("title_id", KEY, nullable=False),
        sqlite_with_rowid=False,
    )


def _sources() -> None:
    op.create_table(
        "title_sources",
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("key", KEY, primary_key=True),
        sa.Column("title_id", KEY, nullable=False),
        sa.Column("fingerprint", sa.BigInteger, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("title_sources_by_title", "title_sources", ["title_id", "source"])


def _offers() -> None:
    op.create_table(
        "offers",
        sa.Column("title_id", KEY, primary_key=True),
        sa.Column("platform", KEY, primary_key=True),
        sa.Column("region", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("tier", sa.Text, primary_key=True),
        sa.Column("quality", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("price_minor", sa.BigInteger),
        sa.Column("currency", sa.Text),
        sa.Column("valid_from", TIME),
        sa.Column("valid_until", TIME),
        sa.Column("link", sa.Text),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("observed_at", TIME, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("offers_by_platform", "offers", ["platform", "region"])
