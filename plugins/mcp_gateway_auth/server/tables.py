"""The authorization server's tables. Of every secret only a digest is kept."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, LargeBinary, MetaData, Table, Text

from mcp_gateway.catalog.tables import Key, UtcTime

metadata = MetaData()

# `name_key` is the name as it is looked up: normalised, without case.
users = Table(
    "auth_users",
    metadata,
    Column("user_id", Key, primary_key=True),
    Column("name_key", Key, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("is_operator", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

# What browsers hold: `session` means signed in, `device` that the person has signed in from there before.
cookies = Table(
    "auth_cookies",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("user_id", Key, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Index("auth_cookies_user", "user_id"),
    Index("auth_cookies_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

# Clients that registered themselves. `details` is their metadata, as JSON; `used_at` is empty until one gets a token.
clients = Table(
    "auth_clients",
    metadata,
    Column("client_id", Key, primary_key=True),
    Column("secret_digest", LargeBinary),
    Column("details", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("used_at", UtcTime),
    Index("auth_clients_created", "created_at"),
    sqlite_with_rowid=False,
)

# Authorization codes. They stay for a while after their use, so that a second use is noticed: `is_replayed`.
codes = Table(
    "auth_codes",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("user_id", Key, nullable=False),
    Column("consent", Text, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("redeemed_at", UtcTime),
    Column("family_id", Text),
    Column("is_replayed", Boolean, nullable=False),
    Index("auth_codes_user", "user_id"),
    Index("auth_codes_expiry", "expires_at"),
    sqlite_with_rowid=False,
)

# Allowances (throttle.py): `full_at_us` is when all of one has come back, in microseconds since 1970.
allowances = Table(
    "auth_allowances",
    metadata,
    Column("key", Key, primary_key=True),
    Column("full_at_us", BigInteger, nullable=False),
    Index("auth_allowances_full", "full_at_us"),
    sqlite_with_rowid=False,
)
