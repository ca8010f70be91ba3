"""The official Python client, unmodified, over every transport."""

from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client
from mcp_types import ElicitResult

from mcp_gateway.tests.conftest import Web
from mcp_gateway.tests.wire import small_gateway_command

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("transport", ["stdio", "sse", "streamable http"])
async def test_it_lists_calls_reads_and_completes(web: Web, transport: str) -> None:
    command, *arguments = small_gateway_command()
    address = str(web.http.base_url).rstrip("/")
    server: Any = {
        "stdio": StdioServerParameters(command=command, args=arguments),
        "sse": sse_client(f"{address}/sse"),
        "streamable http": f"{address}/mcp",
    }[transport]
    async with Client(server) as client:
        tools = await client.list_tools()
        called = await client.call_tool("echo", {"text": "hi"})
        failed = await client.call_tool("refuse", {})
        read = await client.read_resource("example://items/1")
        prompted = await client.get_prompt("greet", {"name": "Ada"})

    assert "echo" in {tool.name for tool in tools.tools}
    assert called.structured_content == {"text": "hi"}
    assert failed.is_error
    assert read.contents[0].uri == "example://items/1"
    assert "Ada" in str(prompted.messages[0].content)


async def fill_in(context: Any, params: Any) -> ElicitResult:
    """The client's user."""
    return ElicitResult(action="accept", content={"sure": True})


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("transport", ["stdio", "streamable http"])
async def test_it_is_asked_in_the_manner_of_its_revision(web: Web, transport: str, mode: Any) -> None:
    """By a request of the server, or since 2026-07-28 by a result that requires input: one handler for both."""
    command, *arguments = small_gateway_command()
    server: Any = {
        "stdio": StdioServerParameters(command=command, args=arguments),
        "streamable http": f"{str(web.http.base_url).rstrip('/')}/mcp",
    }[transport]
    async with Client(server, mode=mode, elicitation_callback=fill_in) as client:
        revision = client.protocol_version
        called = await client.call_tool("ask_user", {})

    assert called.structured_content == {"text": "accept {'sure': True}"}
    assert (revision == "2026-07-28") == (mode == "auto")
