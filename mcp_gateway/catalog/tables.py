"""The catalogue's tables. Only the modules beside this one have statements on them.

A title's row holds all that the title says, lists as JSON: reading a title is reading a row. The tables beside it
only find titles: by person, by external id, by source. (With credits, names and ids in tables of their own, taking the
catalogue in took half as long again, and reading it four times as long.)

There are no foreign keys: rows are written in bulk, in one transaction with what they belong to, and titles
are never deleted. Where absence is part of a key it is the empty text, because NULL cannot be.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData()


class UtcTime(TypeDecorator[datetime]):
    """A moment: aware and UTC in Python, `timestamptz` on PostgreSQL, text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Turn to UTC; SQLite keeps no zone."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give back what SQLite forgot."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value


# Compared byte by byte on both databases, so that ranges of prefixes and orders agree.
Key = Text().with_variant(Text(collation="C"), "postgresql")

titles = Table(
    "titles",
    metadata,
    Column("id", Key, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_key", Key, nullable=False),
    Column("year", SmallInteger),
    Column("release_date", Text),
    Column("runtime_minutes", Integer),
    Column("season_count", Integer),
    Column("overview", Text),
    Column("overview_source", Text),
    Column("tagline", Text),
    Column("certification", Text),
    Column("original_language", Text),
    Column("popularity", Float, nullable=False),
    Column("genres", Text, nullable=False),
    Column("keywords", Text, nullable=False),
    Column("countries", Text, nullable=False),
    Column("alternative_titles", Text, nullable=False),
    Column("credits", Text, nullable=False),
    Column("ratings", Text, nullable=False),
    Column("external_ids", Text, nullable=False),
    Column("parent_id", Key),
    Column("season_number", Integer),
    Column("episode_number", Integer),
    Column("badges", Text, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Index("titles_by_name", "name_key", "year", "kind"),
    Index("titles_by_revision", "revision", "id"),
)

people = Table(
    "people",
    metadata,
    Column("id", Key, primary_key=True),
    Column("name", Key, nullable=False),
    Column("name_key", Key, nullable=False),
    Index("people_by_name", "name_key", "id"),
    sqlite_with_rowid=False,
)

# Who is credited in which title; as what, and under which spelling, the title's row says.
title_people = Table(
    "title_people",
    metadata,
    Column("person_id", Key, primary_key=True),
    Column("title_id", Key, primary_key=True),
    sqlite_with_rowid=False,
)

# TMDB and TVDB number films and series apart: the namespace keeps film 278 from being series 278. A title may have
# several ids of one scheme here; its row shows one of them.
external_ids = Table(
    "external_ids",
    metadata,
    Column("scheme", Text, primary_key=True),
    Column("namespace", Text, primary_key=True),
    Column("value", Key, primary_key=True),
    Column("title_id", Key, nullable=False),
    sqlite_with_rowid=False,
)

# Ids that a source brought along for a title that already had another.
title_aliases = Table(
    "title_aliases",
    metadata,
    Column("alias", Key, primary_key=True),
    Column("title_id", Key, nullable=False),
    sqlite_with_rowid=False,
)

# Which record of which source speaks of which title, and what tied it there.
title_sources = Table(
    "title_sources",
    metadata,
    Column("source", Text, primary_key=True),
    Column("key", Key, primary_key=True),
    Column("title_id", Key, nullable=False),
    Column("fingerprint", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Index("title_sources_by_title", "title_id", "source"),
    sqlite_with_rowid=False,
)

# `observed_at` is of the observation that the offer dates from, `seen_at` of the last one that told of it: what was
# observed before that changes nothing. An offer that ended keeps its row, or an older observation would bring it back.
# `missed_at`: a listing that should name it did not, and it has not been decided yet what to make of that.
offers = Table(
    "offers",
    metadata,
    Column("title_id", Key, primary_key=True),
    Column("platform", Key, primary_key=True),
    Column("region", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("tier", Text, primary_key=True),
    Column("quality", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("audio", Text, nullable=False),
    Column("subtitles", Text, nullable=False),
    Column("price_minor", BigInteger),
    Column("currency", Text),
    Column("valid_from", UtcTime),
    Column("valid_until", UtcTime),
    Column("link", Text),
    Column("confidence", Float, nullable=False),
    Column("observed_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("missed_at", UtcTime),
    Index("offers_by_platform", "platform", "region"),
    Index("offers_by_end", "valid_until"),  # of those that end; saying so here loads the dialects of both databases
    sqlite_with_rowid=False,
)

# One row. Writers change it first, so that they queue up here and revisions commit in order.
catalog_state = Table(
    "catalog_state",
    metadata,
    Column("id", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

# All that is about titles. What other plugins keep about them refers to ids, which outlive the rows.
TITLE_TABLES = (titles, people, title_people, external_ids, title_aliases, title_sources, offers)
