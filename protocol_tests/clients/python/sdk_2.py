"""The official SDK, 2.x: in the era of the handshake (`legacy`) or in the newest that both know (`auto`).

python sdk_2.py TARGETS MODE
"""

import os
import sys
import warnings
from contextlib import asynccontextmanager

import anyio
from mcp import Client as Sdk
from mcp import StdioServerParameters, types
from mcp.client.sse import sse_client
from steps import Heard, Scope, main

MODE = sys.argv[2]
warnings.simplefilter("ignore")  # it warns of what the newest revision has no longer


class Client:
    """What this SDK can do, in every revision."""

    def __init__(self, server):
        self.heard = Heard()
        self.sdk = Sdk(server, mode=MODE, logging_callback=self._logged, message_handler=self._listen)

    async def _logged(self, params):
        self.heard.level(params.level)

    async def _listen(self, message):
        if isinstance(message, types.ResourceUpdatedNotification):
            self.heard.update(message.params.uri)

    async def hello(self):
        return {"name": self.sdk.server_info.name, "revision": self.sdk.protocol_version}

    async def list_tools(self):
        return [tool.name for tool in (await self.sdk.list_tools()).tools]

    async def list_resources(self):
        return [resource.uri for resource in (await self.sdk.list_resources()).resources]

    async def list_templates(self):
        return [template.uri_template for template in (await self.sdk.list_resource_templates()).resource_templates]

    async def list_prompts(self):
        return [prompt.name for prompt in (await self.sdk.list_prompts()).prompts]

    async def call_tool(self, name, arguments):
        return (await self.sdk.call_tool(name, arguments, meta=self._meta())).content[0].text

    async def call_with_progress(self, name, report):
        async def told(progress, total, message):
            report(progress, total, message)

        return (await self.sdk.call_tool(name, {}, progress_callback=told)).content[0].text

    async def read_resource(self, uri):
        return (await self.sdk.read_resource(uri)).contents[0].text

    async def get_prompt(self, name, arguments):
        return (await self.sdk.get_prompt(name, arguments)).messages[0].content.text

    async def complete_template(self, uri, argument, value):
        return await self._complete(types.ResourceTemplateReference(uri=uri), argument, value)

    async def complete_prompt(self, name, argument, value):
        return await self._complete(types.PromptReference(name=name), argument, value)

    async def _complete(self, ref, argument, value):
        return (await self.sdk.complete(ref, {"name": argument, "value": value})).completion.values

    async def start_and_cancel(self, tasks, name, arguments):
        return Scope(tasks, self.call_tool, name, arguments)

    def _meta(self):
        return None


class HandshakeClient(Client):
    """A level and subscriptions that the session keeps."""

    async def set_level(self, level):
        await self.sdk.set_logging_level(level)

    @asynccontextmanager
    async def subscribed(self, uri):
        await self.sdk.subscribe_resource(uri)
        yield
        await self.sdk.unsubscribe_resource(uri)


class ModernClient(Client):
    """A level that goes along with each request, and subscriptions that are a stream."""

    _level = None

    def _meta(self):
        return self._level and {"io.modelcontextprotocol/logLevel": self._level}

    async def set_level(self, level):
        self._level = level

    @asynccontextmanager
    async def subscribed(self, uri):
        async with self.sdk.listen(resource_subscriptions=[uri]) as changes, anyio.create_task_group() as tasks:

            async def follow():
                async for change in changes:
                    self.heard.update(change.uri)

            tasks.start_soon(follow)
            yield
            tasks.cancel_scope.cancel()


def server_of(target):
    if not isinstance(target, str):
        return StdioServerParameters(command=target[0], args=target[1:], env=dict(os.environ))
    return sse_client(target) if target.endswith("/sse") else target


@asynccontextmanager
async def connect(target):
    # HTTP+SSE is a transport of the handshake's era.
    modern = MODE == "auto" and not str(target).endswith("/sse")
    client = (ModernClient if modern else HandshakeClient)(server_of(target))
    async with client.sdk:
        yield client


main(connect)
