"""Media Gateway: an MCP server for films and series, built of plugins."""

__version__ = "0.1.0"
