"""`tools` and `call`: what the gateway offers, from a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from difflib import get_close_matches
from typing import Annotated, Any
from urllib.parse import urlsplit

import anyio
import orjson
import typer

from mcp_gateway.arguments import from_text
from mcp_gateway.call import Call
from mcp_gateway.cli.options import (
    ConfigOption,
    DataDirOption,
    DisableOption,
    JsonOption,
    PluginsDirOption,
    ProfileOption,
    log_when_asked,
    settings_from,
)
from mcp_gateway.cli.starting import started
from mcp_gateway.content import Content, Text
from mcp_gateway.errors import GatewayError, InvalidParams, NotFound, Unavailable, first_of
from mcp_gateway.settings import Settings

log = logging.getLogger(__name__)

SLOW_SECONDS = 3.0

UrlOption = Annotated[str | None, typer.Option("--url", help="Ask a running gateway, e.g. http://127.0.0.1:8765/mcp.")]


def tools(
    json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    plugins_dir: PluginsDirOption = None,
    disable: DisableOption = None,
    profile: ProfileOption = None,
) -> None:
    """List the tools that clients see."""
    settings = settings_from(config, data_dir, plugins_dir, disable, gateway={"profile": profile})
    log_when_asked(settings.log)
    anyio.run(_tools, settings, json, backend_options={"use_uvloop": False})


def call(
    tool: Annotated[str, typer.Argument(help="The tool's name; see `media-gateway tools`.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help='JSON, or key=value ...; e.g. query="the dark knight" filters.year_from=2000'),
    ] = None,
    url: UrlOption = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    plugins_dir: PluginsDirOption = None,
    disable: DisableOption = None,
) -> None:
    """Call a tool and print its result as JSON."""
    words = arguments or []
    if url is not None:
        anyio.run(_call_remote, url, tool, words)
        return
    settings = settings_from(config, data_dir, plugins_dir, disable, gateway={"profile": "full"})
    log_when_asked(settings.log)
    anyio.run(_call_here, settings, tool, words)


async def _tools(settings: Settings, json: bool) -> None:
    async with started(settings) as gateway:
        offered = [registered.capability for registered in gateway.registry.tools()]
    if json:
        _print([{"name": c.name, "description": c.description, "inputSchema": c.input_schema} for c in offered])
        return
    width = max((len(c.name) for c in offered), default=0)
    for capability in offered:
        marks = "reads " if capability.read_only else "writes"
        typer.echo(f"{capability.name:{width}}  {marks}  {capability.description.splitlines()[0]}")


@asynccontextmanager
async def _told_if_slow(why: str) -> AsyncIterator[None]:
    """Say why nothing has come yet, after some seconds."""

    async def tell() -> None:
        await anyio.sleep(SLOW_SECONDS)
        typer.echo(f"media-gateway: still working; {why}", err=True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tell)
        yield
        tasks.cancel_scope.cancel()


async def _call_here(settings: Settings, tool: str, words: Sequence[str]) -> None:
    slow = "the first command after an import takes longer"
    async with _told_if_slow(slow), started(settings, one_shot=True) as gateway:
        registered = gateway.registry.tool(tool)
        arguments = parse_arguments(words, registered.capability.input_schema)
        outcome = await gateway.registry.invoke(registered, arguments, Call(clock=gateway.clock))
    if outcome.content is not None:
        _print_content(outcome.content)
    else:
        _print(outcome.value)


async def _call_remote(url: str, tool: str, words: Sequence[str]) -> None:
    from mcp import Client

    _refuse_bad_url(url)
    try:
        async with Client(url) as client:
            schemas = {t.name: t.input_schema for t in (await client.list_tools()).tools}
            if tool not in schemas:
                raise NotFound("tool", tool, nearest=get_close_matches(tool, schemas))
            result = await client.call_tool(tool, parse_arguments(words, schemas[tool]))
    except Exception as error:
        cause = first_of(error)
        if isinstance(cause, GatewayError):
            raise cause from None
        log.info("the call failed", exc_info=error)
        raise Unavailable(
            f"{url} does not answer as a gateway does. Start one with `make run`, or check --url."
        ) from None
    text = "\n".join(block.text for block in result.content if block.type == "text")
    typer.echo(text, err=bool(result.is_error))
    if result.is_error:
        raise typer.Exit(1)


def _refuse_bad_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        well_formed = False
    if not well_formed:
        raise InvalidParams("--url", f"{url[:100]!r} is not an address as http://127.0.0.1:8765/mcp is")


def parse_arguments(words: Sequence[str], schema: dict[str, Any] | Any) -> dict[str, Any]:
    """Arguments from a terminal: one JSON object, or `key=value` words read as the schema has them.

    Raises:
        InvalidParams: Neither.
    """
    if len(words) == 1 and words[0].lstrip().startswith("{"):
        try:
            return dict(orjson.loads(words[0]))
        except orjson.JSONDecodeError as error:
            raise InvalidParams("", f"the arguments are not valid JSON: {error}") from None
    values: dict[str, list[str]] = {}
    for word in words:
        key, separator, value = word.partition("=")
        if not separator:
            mixed = " (JSON stands alone)" if word.lstrip().startswith("{") else ""
            raise InvalidParams("", f"{word[:100]!r} is neither key=value nor a JSON object{mixed}")
        values.setdefault(key, []).append(value)
    return from_text(schema, values)


def _print(value: Any) -> None:
    option = orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0
    typer.echo(orjson.dumps(value, option=option).decode())


def _print_content(content: Content) -> None:
    for block in content.blocks:
        typer.echo(block.text if isinstance(block, Text) else f"[{type(block).__name__}]", err=content.is_error)
    if content.is_error:
        raise typer.Exit(1)
