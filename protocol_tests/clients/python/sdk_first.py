"""The official SDK of 2024, 1.1: all that comes unasked is in one stream, which has to be read."""

import os
from contextlib import asynccontextmanager

import anyio
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from steps import Heard, main


class Client:
    """What this SDK can do. It has no way to cancel."""

    def __init__(self, session, initialized):
        self._session = session
        self._initialized = initialized
        self._report = None
        self.heard = Heard()

    async def hello(self):
        return {"name": self._initialized.serverInfo.name, "revision": self._initialized.protocolVersion}

    async def listen(self):
        """Take in what comes unasked, as long as the session lasts."""
        async for message in self._session.incoming_messages:
            if isinstance(message, Exception):
                raise message
            match getattr(message, "root", None):
                case types.LoggingMessageNotification(params=params):
                    self.heard.level(params.level)
                case types.ResourceUpdatedNotification(params=params):
                    self.heard.update(params.uri)
                case types.ProgressNotification(params=params):
                    self._report(params.progress, params.total)

    async def list_tools(self):
        return [tool.name for tool in (await self._session.list_tools()).tools]

    async def list_resources(self):
        return [str(resource.uri) for resource in (await self._session.list_resources()).resources]

    async def list_templates(self):
        request = types.ClientRequest(types.ListResourceTemplatesRequest(method="resources/templates/list"))
        result = await self._session.send_request(request, types.ListResourceTemplatesResult)
        return [template.uriTemplate for template in result.resourceTemplates]

    async def list_prompts(self):
        return [prompt.name for prompt in (await self._session.list_prompts()).prompts]

    async def call_tool(self, name, arguments):
        return (await self._session.call_tool(name, arguments)).content[0].text

    async def call_with_progress(self, name, report):
        self._report = report
        params = types.CallToolRequestParams(name=name, _meta={"progressToken": "mine"})
        request = types.ClientRequest(types.CallToolRequest(method="tools/call", params=params))
        return (await self._session.send_request(request, types.CallToolResult)).content[0].text

    async def read_resource(self, uri):
        return (await self._session.read_resource(uri)).contents[0].text

    async def get_prompt(self, name, arguments):
        return (await self._session.get_prompt(name, arguments)).messages[0].content.text

    async def complete_template(self, uri, argument, value):
        return await self._complete(types.ResourceReference(type="ref/resource", uri=uri), argument, value)

    async def complete_prompt(self, name, argument, value):
        return await self._complete(types.PromptReference(type="ref/prompt", name=name), argument, value)

    async def _complete(self, ref, argument, value):
        return (await self._session.complete(ref, {"name": argument, "value": value})).completion.values

    async def set_level(self, level):
        await self._session.set_logging_level(level)

    @asynccontextmanager
    async def subscribed(self, uri):
        await self._session.subscribe_resource(uri)
        yield
        await self._session.unsubscribe_resource(uri)


@asynccontextmanager
async def connect(target):
    if isinstance(target, str):
        streams = sse_client(target)
    else:
        streams = stdio_client(StdioServerParameters(command=target[0], args=target[1:], env=dict(os.environ)))
    async with streams as (read, write), ClientSession(read, write) as session, anyio.create_task_group() as tasks:
        client = Client(session, await session.initialize())
        tasks.start_soon(client.listen)
        yield client
        tasks.cancel_scope.cancel()


main(connect)
