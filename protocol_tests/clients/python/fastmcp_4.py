"""FastMCP's client, 4.x: in the era of the handshake (`legacy`) or in the newest that both know (`auto`).

python fastmcp_4.py TARGETS MODE
"""

import os
import sys
import warnings
from contextlib import asynccontextmanager

import anyio
import mcp_types as types
from fastmcp import Client as FastMcp
from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport
from mcp.client.subscriptions import listen
from steps import Heard, Scope, main

MODE = sys.argv[2]
warnings.simplefilter("ignore")  # it warns of what the newest revision has no longer


class Client:
    """What this client can do in every revision."""

    def __init__(self, transport):
        self.heard = Heard()
        self.fastmcp = FastMcp(transport, mode=MODE, log_handler=self._logged, message_handler=self._listen)

    async def _logged(self, message):
        self.heard.level(message.level)

    async def _listen(self, message):
        if isinstance(message, types.ResourceUpdatedNotification):
            self.heard.update(message.params.uri)

    async def hello(self):
        return {"name": self.fastmcp.server_info.name, "revision": self.fastmcp.protocol_version}

    async def list_tools(self):
        return [tool.name for tool in await self.fastmcp.list_tools()]

    async def list_resources(self):
        return [str(resource.uri) for resource in await self.fastmcp.list_resources()]

    async def list_templates(self):
        return [template.uri_template for template in await self.fastmcp.list_resource_templates()]

    async def list_prompts(self):
        return [prompt.name for prompt in await self.fastmcp.list_prompts()]

    async def call_tool(self, name, arguments):
        return (await self.fastmcp.call_tool(name, arguments, meta=self._meta())).content[0].text

    async def call_with_progress(self, name, report):
        async def told(progress, total, message):
            report(progress, total, message)

        return (await self.fastmcp.call_tool(name, {}, progress_handler=told)).content[0].text

    async def read_resource(self, uri):
        return (await self.fastmcp.read_resource(uri))[0].text

    async def get_prompt(self, name, arguments):
        return (await self.fastmcp.get_prompt(name, arguments)).messages[0].content.text

    async def complete_template(self, uri, argument, value):
        return await self._complete(types.ResourceTemplateReference(uri=uri), argument, value)

    async def complete_prompt(self, name, argument, value):
        return await self._complete(types.PromptReference(name=name), argument, value)

    async def _complete(self, ref, argument, value):
        return (await self.fastmcp.complete(ref, {"name": argument, "value": value})).values

    async def start_and_cancel(self, tasks, name, arguments):
        return Scope(tasks, self.call_tool, name, arguments)

    def _meta(self):
        return None


class HandshakeClient(Client):
    """A level and subscriptions that the session keeps."""

    async def set_level(self, level):
        await self.fastmcp.set_logging_level(level)

    @asynccontextmanager
    async def subscribed(self, uri):
        await self.fastmcp.session.subscribe_resource(uri)
        yield
        await self.fastmcp.session.unsubscribe_resource(uri)


class ModernClient(Client):
    """A level that goes along with each request, and subscriptions that are a stream."""

    _level = "debug"  # what it asks for by itself

    def _meta(self):
        return {"io.modelcontextprotocol/logLevel": self._level}

    async def set_level(self, level):
        self._level = level

    @asynccontextmanager
    async def subscribed(self, uri):
        subscription = listen(self.fastmcp.session, resource_subscriptions=[uri])
        async with subscription as changes, anyio.create_task_group() as tasks:

            async def follow():
                async for change in changes:
                    self.heard.update(change.uri)

            tasks.start_soon(follow)
            yield
            tasks.cancel_scope.cancel()


def transport_to(target):
    if not isinstance(target, str):
        return StdioTransport(target[0], target[1:], env=dict(os.environ))
    return SSETransport(target) if target.endswith("/sse") else StreamableHttpTransport(target)


@asynccontextmanager
async def connect(target):
    # HTTP+SSE is a transport of the handshake's era.
    modern = MODE == "auto" and not str(target).endswith("/sse")
    client = (ModernClient if modern else HandshakeClient)(transport_to(target))
    async with client.fastmcp:
        yield client


main(connect)
