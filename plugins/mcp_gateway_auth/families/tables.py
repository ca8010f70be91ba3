"""The tables of token families and of the keys that sign their tokens."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

from mcp_gateway.catalog.tables import Key

metadata = MetaData()

# One row a sign-in. `state` is the family as JSON, or NULL where Redis keeps it; then the row is the register: it says
# whose sign-in it is, and that it has ended, which Redis may forget when it fails over. Times are milliseconds.
families = Table(
    "auth_families",
    metadata,
    Column("family_id", Key, primary_key=True),
    Column("user_id", Key, nullable=False),
    Column("granted", Text, nullable=False),
    Column("state", Text),
    Column("begun_ms", BigInteger, nullable=False),
    Column("good_until_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Index("auth_families_by_user", "user_id"),
    Index("auth_families_by_good_until", "good_until_ms"),
    Index("auth_families_by_ended", "ended_ms"),
    sqlite_with_rowid=False,
)

# The number decides which key comes after which, so that of two instances only one adds the next. `sealed` is the
# private key, encrypted with a secret that is not in the database.
signing_keys = Table(
    "auth_signing_keys",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kid", Key, nullable=False, unique=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("signs_from_ms", BigInteger, nullable=False),
)
