"""Pydantic AI's MCP client, without a model. It has no completion, level or subscriptions of its own."""

import json
import os
from contextlib import asynccontextmanager

from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport
from pydantic_ai.mcp import MCPToolset
from steps import Scope, main


class Client:
    """What this client can do."""

    def __init__(self, transport):
        self.toolset = MCPToolset(transport, progress_handler=self._progressed)
        self._report = None

    async def _progressed(self, progress, total, message):
        if self._report is not None:
            self._report(progress, total, message)

    async def hello(self):
        return {"name": self.toolset.server_info.name, "revision": self.toolset.client.protocol_version}

    async def list_tools(self):
        return [tool.name for tool in await self.toolset.list_tools()]

    async def list_resources(self):
        return [resource.uri for resource in await self.toolset.list_resources()]

    async def list_templates(self):
        return [template.uri_template for template in await self.toolset.list_resource_templates()]

    async def list_prompts(self):
        return [prompt.name for prompt in await self.toolset.list_prompts()]

    async def call_tool(self, name, arguments):
        result = await self.toolset.direct_call_tool(name, arguments)
        return result if isinstance(result, str) else json.dumps(result)

    async def call_with_progress(self, name, report):
        self._report = report
        try:
            return await self.call_tool(name, {})
        finally:
            self._report = None

    async def read_resource(self, uri):
        return await self.toolset.read_resource(uri)

    async def get_prompt(self, name, arguments):
        return (await self.toolset.get_prompt(name, arguments)).messages[0].content.content

    async def start_and_cancel(self, tasks, name, arguments):
        return Scope(tasks, self.call_tool, name, arguments)


def transport_to(target):
    if not isinstance(target, str):
        return StdioTransport(target[0], target[1:], env=dict(os.environ))
    return SSETransport(target) if target.endswith("/sse") else StreamableHttpTransport(target)


@asynccontextmanager
async def connect(target):
    client = Client(transport_to(target))
    async with client.toolset:
        yield client


main(connect)
