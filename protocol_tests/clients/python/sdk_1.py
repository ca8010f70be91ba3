"""The official SDK, 1.9 and later 1.x."""

import os
from contextlib import asynccontextmanager

from mcp import ClientSession, StdioServerParameters, types
from mcp.client import streamable_http
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from pydantic import AnyUrl
from steps import Heard, Scope, main

# Its name changed within 1.x.
http_client = getattr(streamable_http, "streamable_http_client", streamable_http.streamablehttp_client)


class Cancelled(Scope):
    """A call that is cancelled by the notification: this SDK sends none by itself, nor does it tell the call's id."""

    def __init__(self, session, *arguments):
        super().__init__(*arguments)
        self._session = session

    async def run(self):
        self._request_id = self._session._request_id  # the next one
        await super().run()

    async def cancel(self):
        params = types.CancelledNotificationParams(requestId=self._request_id, reason="enough")
        notification = types.CancelledNotification(method="notifications/cancelled", params=params)
        await self._session.send_notification(types.ClientNotification(notification))
        await super().cancel()


class Client:
    """What this SDK can do."""

    def __init__(self):
        self.heard = Heard()

    async def listen(self, message):
        """Take in what comes unasked."""
        match getattr(message, "root", None):
            case types.LoggingMessageNotification(params=params):
                self.heard.level(params.level)
            case types.ResourceUpdatedNotification(params=params):
                self.heard.update(params.uri)

    async def open(self, session):
        self._session = session
        self._initialized = await session.initialize()

    async def hello(self):
        return {"name": self._initialized.serverInfo.name, "revision": self._initialized.protocolVersion}

    async def list_tools(self):
        return [tool.name for tool in (await self._session.list_tools()).tools]

    async def list_resources(self):
        return [str(resource.uri) for resource in (await self._session.list_resources()).resources]

    async def list_templates(self):
        return [template.uriTemplate for template in (await self._session.list_resource_templates()).resourceTemplates]

    async def list_prompts(self):
        return [prompt.name for prompt in (await self._session.list_prompts()).prompts]

    async def call_tool(self, name, arguments):
        return (await self._session.call_tool(name, arguments)).content[0].text

    async def call_with_progress(self, name, report):
        async def told(progress, total, message):
            report(progress, total, message)

        return (await self._session.call_tool(name, {}, progress_callback=told)).content[0].text

    async def read_resource(self, uri):
        return (await self._session.read_resource(AnyUrl(uri))).contents[0].text

    async def get_prompt(self, name, arguments):
        return (await self._session.get_prompt(name, arguments)).messages[0].content.text

    async def complete_template(self, uri, argument, value):
        reference = getattr(types, "ResourceTemplateReference", None) or types.ResourceReference
        return await self._complete(reference(type="ref/resource", uri=uri), argument, value)

    async def complete_prompt(self, name, argument, value):
        return await self._complete(types.PromptReference(type="ref/prompt", name=name), argument, value)

    async def _complete(self, ref, argument, value):
        return (await self._session.complete(ref, {"name": argument, "value": value})).completion.values

    async def set_level(self, level):
        await self._session.set_logging_level(level)

    @asynccontextmanager
    async def subscribed(self, uri):
        await self._session.subscribe_resource(AnyUrl(uri))
        yield
        await self._session.unsubscribe_resource(AnyUrl(uri))

    async def start_and_cancel(self, tasks, name, arguments):
        return Cancelled(self._session, tasks, self.call_tool, name, arguments)


def streams_to(target):
    if not isinstance(target, str):
        return stdio_client(StdioServerParameters(command=target[0], args=target[1:], env=dict(os.environ)))
    return sse_client(target) if target.endswith("/sse") else http_client(target)


@asynccontextmanager
async def connect(target):
    client = Client()
    async with (
        streams_to(target) as (read, write, *_),
        ClientSession(read, write, message_handler=client.listen) as session,
    ):
        await client.open(session)
        yield client


main(connect)
