"""The plugin's tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

from mcp_gateway.catalog.tables import Key, UtcTime

metadata = MetaData()

# Records that could not be used. `digest` tells whether the record is still the same.
rejected_records = Table(
    "ingestion_rejected_records",
    metadata,
    Column("source", Key, primary_key=True),
    Column("file", Key, primary_key=True),
    Column("line_number", Integer, primary_key=True),
    Column("record_key", Text),
    Column("reason", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("digest", BigInteger, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)
