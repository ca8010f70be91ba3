"""The rules of MCP 2024-11-05, one body per requirement, on the wire of each transport."""
