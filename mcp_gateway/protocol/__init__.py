"""MCP, on the SDK's low-level server."""
