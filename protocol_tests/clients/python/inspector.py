"""The MCP Inspector on the command line, which makes a session of its own for each call.

    python inspector.py TARGETS NODE

It has no progress, completion, subscriptions or cancellation there.
"""

import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from steps import main

PACKAGE = Path(__file__).parents[1] / "typescript/node_modules/@modelcontextprotocol/inspector"
COMMAND = [sys.argv[2], str(PACKAGE / "clients/launcher/build/index.js"), "--cli", "--format", "json", "--quiet"]


class Client:
    """That it connects and calls."""

    def __init__(self, target):
        self._target = ["--server-url", target] if isinstance(target, str) else target

    async def ask(self, method, **options):
        """The result of one call of the command."""
        given = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", *value)]
        done = await anyio.run_process([*COMMAND, *self._target, "--method", method, *given], check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.decode()[-2000:])
        return json.loads(done.stdout)["result"]

    async def hello(self):
        told = await self.ask("initialize")
        return {"name": told["serverInfo"]["name"], "revision": told["protocolVersion"]}

    async def call_tool(self, name, arguments):
        result = await self.ask("tools/call", tool_name=[name], tool_args_json=[json.dumps(arguments)])
        return result["content"][0]["text"]


class WholeClient(Client):
    """All that the command can do."""

    async def list_tools(self):
        return [tool["name"] for tool in (await self.ask("tools/list"))["tools"]]

    async def list_resources(self):
        return [resource["uri"] for resource in (await self.ask("resources/list"))["resources"]]

    async def list_templates(self):
        listed = (await self.ask("resources/templates/list"))["resourceTemplates"]
        return [template["uriTemplate"] for template in listed]

    async def list_prompts(self):
        return [prompt["name"] for prompt in (await self.ask("prompts/list"))["prompts"]]

    async def read_resource(self, uri):
        return (await self.ask("resources/read", uri=[uri]))["contents"][0]["text"]

    async def get_prompt(self, name, arguments):
        pairs = [f"{key}={value}" for key, value in arguments.items()]
        return (await self.ask("prompts/get", prompt_name=[name], prompt_args=pairs))["messages"][0]["content"]["text"]

    async def try_level(self, level):
        return await self.ask("logging/setLevel", log_level=[level])


@asynccontextmanager
async def connect(target):
    # Half a second a call is too much to do all on each transport.
    yield WholeClient(target) if str(target).endswith("/mcp") else Client(target)


main(connect)
