"""Drives a gateway with an old official SDK: python client.py stdio COMMAND [ARGUMENT ...] | sse URL | http URL

Prints one JSON object with what it saw. Runs in an environment of its own; see scripts/test_clients.sh.
"""

import json
import os
import sys
from contextlib import asynccontextmanager

import anyio
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client


@asynccontextmanager
async def streams(kind: str, target: str, arguments: list[str]):
    """The two streams of a transport."""
    if kind == "stdio":
        server = StdioServerParameters(command=target, args=arguments, env=dict(os.environ))
        async with stdio_client(server) as (read, write):
            yield read, write
    elif kind == "sse":
        async with sse_client(target) as (read, write):
            yield read, write
    else:
        async with streamablehttp_client(target) as (read, write, _):
            yield read, write


async def main() -> None:
    """Connect, list, call, and say what came."""
    kind, target, *arguments = sys.argv[1:]
    async with streams(kind, target, arguments) as (read, write), ClientSession(read, write) as session:
        initialized = await session.initialize()
        tools = await session.list_tools()
        search = await session.call_tool("search_titles", {"query": "the dark knight"})
        resolved = await session.call_tool("resolve_title", {"name": "Dune"})
        await session.send_ping()
    seen = {
        "server": initialized.serverInfo.model_dump(),
        "tools": [tool.name for tool in tools.tools],
        "search": json.loads(search.content[0].text),
        "resolved": json.loads(resolved.content[0].text),
    }
    print(json.dumps(seen))


anyio.run(main)
