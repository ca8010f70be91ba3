"""The MCP client of OpenAI's Agents SDK, without a model. It has no progress, completion, level, subscriptions or
cancellation of its own."""

import os
from contextlib import asynccontextmanager

from agents.mcp import MCPServerSse, MCPServerStdio, MCPServerStreamableHttp
from steps import STEP_SECONDS, main


class Client:
    """What this client can do."""

    def __init__(self, server):
        self._server = server

    async def hello(self):
        told = self._server.server_initialize_result
        return {"name": told.serverInfo.name, "revision": told.protocolVersion}

    async def list_tools(self):
        return [tool.name for tool in await self._server.list_tools()]

    async def list_resources(self):
        return [str(resource.uri) for resource in (await self._server.list_resources()).resources]

    async def list_templates(self):
        return [template.uriTemplate for template in (await self._server.list_resource_templates()).resourceTemplates]

    async def list_prompts(self):
        return [prompt.name for prompt in (await self._server.list_prompts()).prompts]

    async def call_tool(self, name, arguments):
        return (await self._server.call_tool(name, arguments)).content[0].text

    async def read_resource(self, uri):
        return (await self._server.read_resource(uri)).contents[0].text

    async def get_prompt(self, name, arguments):
        return (await self._server.get_prompt(name, arguments)).messages[0].content.text


def server_of(target):
    if not isinstance(target, str):
        kind, params = MCPServerStdio, {"command": target[0], "args": target[1:], "env": dict(os.environ)}
    else:
        kind, params = MCPServerSse if target.endswith("/sse") else MCPServerStreamableHttp, {"url": target}
    return kind(params, client_session_timeout_seconds=STEP_SECONDS)


@asynccontextmanager
async def connect(target):
    async with server_of(target) as server:
        yield Client(server)


main(connect)
