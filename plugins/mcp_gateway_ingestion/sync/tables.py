"""The table of what is known of each listing that is kept up to date."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text

from mcp_gateway.catalog.tables import Key

from ..tables import metadata

# A row a source, platform and region. With the empty region: how the source fares with the platform as a whole.
# Whoever holds the row syncs it; `state` is JSON of `state.SyncState` or `state.Circuit`.
sync_states = Table(
    "ingestion_sync_states",
    metadata,
    Column("source", Key, primary_key=True),
    Column("platform", Key, primary_key=True),
    Column("region", Key, primary_key=True),
    Column("holder", Text),
    Column("held_until_us", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    sqlite_with_rowid=False,
)
