"""LangChain's adapters, without a model. They have no completion, level, subscriptions or cancellation of their own."""

import os
from contextlib import asynccontextmanager

from langchain_mcp_adapters.callbacks import Callbacks
from langchain_mcp_adapters.client import MultiServerMCPClient
from steps import main

NAME = "gateway"


class Client:
    """What these adapters can do, each time in a session of its own, as they do by default."""

    def __init__(self, connection):
        self._report = None
        self._client = MultiServerMCPClient({NAME: connection}, callbacks=Callbacks(on_progress=self._progressed))

    async def _progressed(self, progress, total, message, context):
        if self._report is not None:
            self._report(progress, total, message)

    async def hello(self):
        told = (await self._client.get_server_info())[NAME]
        return {"name": told.serverInfo.name, "revision": told.protocolVersion}

    async def list_tools(self):
        self._tools = {tool.name: tool for tool in await self._client.get_tools()}
        return list(self._tools)

    async def call_tool(self, name, arguments):
        return (await self._tools[name].ainvoke(arguments))[0]["text"]

    async def call_with_progress(self, name, report):
        self._report = report
        try:
            return await self.call_tool(name, {})
        finally:
            self._report = None

    async def read_resource(self, uri):
        return (await self._client.get_resources(NAME, uris=uri))[0].as_string()

    async def get_prompt(self, name, arguments):
        return (await self._client.get_prompt(NAME, name, arguments=arguments))[0].content


def connection_to(target):
    if not isinstance(target, str):
        return {"transport": "stdio", "command": target[0], "args": target[1:], "env": dict(os.environ)}
    return {"transport": "sse" if target.endswith("/sse") else "http", "url": target}


@asynccontextmanager
async def connect(target):
    yield Client(connection_to(target))


main(connect)
