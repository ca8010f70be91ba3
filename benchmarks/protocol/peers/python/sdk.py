"""The official SDK's `MCPServer`, as its `run()` serves it: `sdk.py TRANSPORT PORT all|echo`."""

import sys

from mcp.server.mcpserver import MCPServer

transport, port, tools = sys.argv[1:]
server = MCPServer("benchmark")
if tools == "all":
    from tools import offered

    for name, description, function in offered():
        server.add_tool(function, name=name, description=description)
else:

    @server.tool()
    async def echo(text: str) -> str:
        """Say it again."""
        return text


if transport == "stdio":
    server.run()
else:
    server.run({"http": "streamable-http", "sse": "sse"}[transport], port=int(port))
