"""FastMCP, as its `run()` serves it: `fastmcp_server.py TRANSPORT PORT all|echo`."""

import sys

from fastmcp import FastMCP
from fastmcp.tools import Tool

transport, port, tools = sys.argv[1:]
server = FastMCP("benchmark")
if tools == "all":
    from tools import offered

    for name, description, function in offered():
        server.add_tool(Tool.from_function(function, name=name, description=description))
else:

    @server.tool
    async def echo(text: str) -> str:
        """Say it again."""
        return text


# Without its banner, for which it asks the network whether there is a newer version.
if transport == "stdio":
    server.run(show_banner=False)
else:
    server.run(transport=transport, port=int(port), show_banner=False)
