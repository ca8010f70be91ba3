"""The database: engine and migrations."""
