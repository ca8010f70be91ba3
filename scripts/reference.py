"""Writes docs/reference from the code: settings, tools, resources, routes, hooks, events, errors and commands.

`--check` changes nothing and fails when a page is out of date. The examples are the answers of a real gateway with
the starter catalogue.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import anyio
import orjson
import typer
from pydantic import BaseModel

from mcp_gateway import api, errors, hookspecs
from mcp_gateway.api import Call
from mcp_gateway.cache.cache import Cache
from mcp_gateway.catalog import events
from mcp_gateway.catalog.store import Catalog
from mcp_gateway.cli.app import command_line
from mcp_gateway.config import load
from mcp_gateway.contributions import Registered, RegisteredPrompt
from mcp_gateway.gateway import Gateway
from mcp_gateway.plugin_discovery import Plugin, discover
from mcp_gateway.plugin_manager import read_declarations
from mcp_gateway.services import Background, Events, Resources, Shutdown
from mcp_gateway.settings import Settings
from mcp_gateway.storage.engine import Database
from mcp_gateway.transports.problem import problem_of
from scripts.reference_text import (
    as_json,
    attribute_notes,
    class_section,
    code,
    described,
    first_line,
    json_block,
    schema_table,
    settings_table,
    table,
)

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
NOTE = "<!-- Written by scripts/reference.py from the code; do not edit. -->\n"
BUILT_IN = "installed with media-gateway"

# What a reader sees of each tool. Real calls: an answer that changes makes its page out of date.
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "search_titles": {"query": "dark knight", "filters": {"year_from": 2000, "year_to": 2010}},
    "get_titles": {"ids": ["tt0468569", "tt9999999"], "detail": "concise"},
    "resolve_title": {"name": "Dune", "kind": "movie", "year": 2021},
    "suggest_titles": {"q": "dark k", "limit": 3},
    "ingest_titles": {
        "titles": [
            {"id": "my-0001", "type": "movie", "title": "Night Bakers", "year": 2025, "mood": "warm"},
            {"id": "my-0002", "type": "film", "title": "Salt", "year": 2022},
        ],
        "dry_run": True,
    },
}

LENT = (api.Services, Database, Cache, Events, Catalog, api.Cursors, Background, Resources, api.Clock, Shutdown)
NOTES = {
    "Completer": "The type of a completion: `async def complete(value: str, call: Call) -> Sequence[str]`.",
    "LOG_LEVELS": "The levels of `Call.log`, least severe first.",
    "LogLevel": "The type of a level of `Call.log`.",
    "hookimpl": "Marks a function as the implementation of a hook.",
}


def main() -> int:
    """Write or check every page; the exit code."""
    check = "--check" in sys.argv[1:]
    stale = {name: text for name, text in anyio.run(pages).items() if text != _written(FOLDER / name)}
    for name, text in stale.items():
        if check:
            print(f"docs/reference/{name} is out of date; run: python scripts/reference.py", file=sys.stderr)
        else:
            (FOLDER / name).write_text(text, "utf-8")
            print(f"wrote docs/reference/{name}")
    return 1 if check and stale else 0


async def pages() -> dict[str, str]:
    """The pages' texts by file name."""
    plugins = [plugin for plugin in discover(None) if plugin.origin == BUILT_IN]
    with tempfile.TemporaryDirectory() as folder:
        async with Gateway(_settings(folder), plugins=plugins).running() as gateway:
            registered = gateway.registry.capabilities()
            prompts = gateway.registry.prompts()
            answers = {name: await _answer(gateway, name) for name in EXAMPLES}
    written = {
        "settings.md": settings_page(plugins),
        "tools.md": tools_page(registered, answers),
        "resources.md": resources_page(registered, prompts),
        "http.md": http_page(registered),
        "hooks.md": hooks_page(),
        "plugin-api.md": plugin_api_page(),
        "events.md": events_page(),
        "errors.md": errors_page(),
        "commands.md": commands_page(),
    }
    return {name: "\n".join([NOTE, *lines]).rstrip() + "\n" for name, lines in written.items()}


def settings_page(plugins: Iterable[Plugin]) -> Iterator[str]:
    """Every section and key, those of the plugins too."""
    yield "# Settings\n"
    yield """\
Every setting has a default that works on one machine. The strongest of these counts:

1. the command line: `--port 9000`;
2. the environment: `MEDIA_GATEWAY_SECTION__KEY`, e.g. `MEDIA_GATEWAY_HTTP__PORT=9000` or
   `MEDIA_GATEWAY_PLUGINS__SEARCH__POLL_SECONDS=2`; lists with commas. `MEDIA_GATEWAY_DATA_DIR` is short for
   `MEDIA_GATEWAY_GATEWAY__DATA_DIR`;
3. the settings file: the one that `--config` names, else the one that `MEDIA_GATEWAY_CONFIG` names, else `gateway.toml`
   in the current folder, else `gateway.toml` in the data folder. Only one file is read.

An unknown key stops the start, and the message names the nearest known one. `media-gateway config check` checks all
of it without starting anything. `media-gateway config show` prints what is in force.

The user's data folder is `~/.local/share/media-gateway` on Linux, `~/Library/Application Support/media-gateway` on
macOS and `%LOCALAPPDATA%\\media-gateway` on Windows.
"""
    for section, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from section_table(section, field.annotation)
    for name, declared in sorted(read_declarations(plugins).items()):
        if declared.settings is not None:
            yield from section_table(f"plugins.{name}", declared.settings)


def section_table(title: str, model: type[BaseModel]) -> Iterator[str]:
    """One section."""
    yield f"## `[{title}]`\n"
    yield f"{inspect.getdoc(model)}\n"
    yield from settings_table(model)


def tools_page(registered: Iterable[Registered], answers: Mapping[str, Any]) -> Iterator[str]:
    """Every tool with its parameters, what it returns, and an example."""
    yield "# Tools\n"
    yield """\
The default profile, `discovery`, offers what an agent needs to find something to watch. `--profile full` offers every
tool, `--profile search,ingestion` those of the plugins named. `media-gateway call` reaches every tool, whatever the
profile. Arguments that are null count as absent. Unknown arguments are refused, with the names that are allowed.

Members that are not known are left out of answers. All that can be known of a title is listed under
[`GET /api/v1/titles/{id}`](http.md#get-apiv1titlesid).
"""
    for tool in registered:
        if tool.capability.tool:
            yield from tool_section(tool, answers.get(tool.capability.name))


def tool_section(tool: Registered, answer: Any) -> Iterator[str]:
    """One tool."""
    capability = tool.capability
    kind = "reads" if capability.read_only else "writes"
    profile = "`full`" if capability.advanced else "`discovery` and `full`"
    scopes = f" Scope: {code(sorted(capability.scopes))}." if capability.scopes else ""
    yield f"## `{capability.name}`\n"
    yield f"{capability.description}\n"
    yield f"Plugin `{tool.plugin}`; {kind}. Profiles: {profile}.{scopes}\n"
    yield from schema_table("parameter", capability.input_schema)
    if capability.result is not None:
        yield f"The result: {first_line(capability.result)}\n"
        yield from schema_table("result", capability.output_schema or {}, attribute_notes(capability.result))
    if answer is not None:
        yield f"For `{as_json(EXAMPLES[capability.name])}` the answer is\n"
        yield json_block(answer)


def resources_page(registered: Iterable[Registered], prompts: Sequence[RegisteredPrompt]) -> Iterator[str]:
    """Resources, templates and prompts."""
    yield "# Resources and prompts\n"
    yield """\
Resources with variables are templates. Completion proposes values for the variables named. Clients can subscribe to
every resource; they hear of a change when its plugin reports it with `services.resources.changed`.
"""
    rows = [
        [f"`{r.capability.uri}`", f"`{r.plugin}`", _summary(r.capability), code(r.capability.completions)]
        for r in sorted(registered, key=lambda row: row.capability.uri or "")
        if r.capability.uri
    ]
    yield from table(["URI", "plugin", "what", "completes"], rows)
    yield "## Prompts\n"
    known = [[f"`{p.prompt.name}`", f"`{p.plugin}`", _summary(p.prompt)] for p in prompts]
    if known:
        yield from table(["prompt", "plugin", "what"], known)
    else:
        yield "The built-in plugins have none. [Your own plugin](../how-to/write-a-plugin.md) can add some.\n"


def http_page(registered: Iterable[Registered]) -> Iterator[str]:
    """The HTTP paths."""
    yield "# HTTP\n"
    own = [
        ["`/mcp`", "MCP over streamable HTTP, every revision from 2025-03-26 on"],
        ["`GET /sse`, `POST /messages?session_id=`", "MCP over HTTP+SSE, as in revision 2024-11-05"],
        ["`GET /healthz`", "200 while the process runs"],
        ["`GET /readyz`", "200 while it can serve, else 503; the state of each part, with reasons"],
        ["`GET /openapi.json`", "the REST routes as OpenAPI 3.1"],
        ["`GET`, `POST /authorize`", "where people sign in, once `plugins.auth.enabled`, as what follows"],
        ["`POST /token`, `/register`, `/revoke`, `/introspect`", "OAuth 2.1 (RFC 6749, 7591, 7009, 7662)"],
        [
            "`GET /.well-known/oauth-authorization-server`, `/.well-known/oauth-protected-resource`",
            "their metadata (RFC 8414, 9728); the second also with the path of a face behind it, such as `/mcp`",
        ],
        ["`GET /.well-known/jwks.json`", "the keys that sign tokens"],
    ]
    yield from table(["path", "what"], own)
    yield """\
The Host of a request must be this machine or stand in `http.allowed_hosts`, else the answer is 421. An Origin must be
this machine or stand in `http.allowed_origins`, else the answer is 403. [Security](../explanations/security.md) says
why.

## REST

Parameters stand in the path, and in the query (GET, DELETE) or a JSON body (POST, PATCH, PUT). In a query a dot
reaches into an object, and a name that is repeated makes a list:
`filters.genres=Drama&filters.genres=Crime&filters.year_from=1990`. Lists carry `links` to their other pages
(`self first prev next last`, those that exist), and the same links in the `Link` header. Errors are problem documents;
[the list of errors](errors.md) shows one.
"""
    found = [(r.capability.rest, r) for r in registered if r.capability.rest]
    for route, r in sorted(found, key=lambda row: (row[0].path, row[0].method)):
        yield f"### `{route.method} {route.path}`\n"
        yield f"{r.capability.description}\n"
        yield from route_section(r)


def route_section(registered: Registered) -> Iterator[str]:
    """The parameters and the answer of a route; of a tool's route, where they are told."""
    capability = registered.capability
    if capability.tool:
        yield f"Plugin `{registered.plugin}`. Parameters and answer are those of the tool"
        yield f"[`{capability.name}`](tools.md#{capability.name}).\n"
        return
    yield f"Plugin `{registered.plugin}`.\n"
    yield from schema_table("parameter", capability.input_schema)
    notes = attribute_notes(capability.result) if capability.result else {}
    yield from schema_table("result", capability.output_schema or {}, notes)


def hooks_page() -> Iterator[str]:
    """What a plugin may implement."""
    yield "# Hooks\n"
    yield """\
A plugin is a module with functions marked `@hookimpl`. It implements any of these hooks, each with any subset of the
arguments. A hook or an argument that does not exist quarantines the plugin.
[Write a plugin](../how-to/write-a-plugin.md) shows hooks at work; [names for plugins](plugin-api.md) has what they
are given and what they return.
"""
    for name, function in vars(hookspecs).items():
        if hasattr(function, f"{hookspecs.PROJECT}_spec"):
            yield from described(name, function)


def plugin_api_page() -> Iterator[str]:
    """Every name of `mcp_gateway.api`, and what the services can do."""
    yield "# Names for plugins\n"
    yield """\
`from mcp_gateway.api import …`: these names, `mcp_gateway.catalog`, the settings, and the names and schemas of tools
are under semantic versioning. Nothing else is.

## What a plugin builds
"""
    for function in (api.capability, api.prompt):
        yield from described(function.__name__, function)
    yield "## What a plugin is lent\n"
    for lent in LENT:
        yield from class_section(lent)
    yield "## What a handler is given\n"
    for given in (api.Call, api.Caller):
        yield from class_section(given)
    yield "## All names\n"
    rows = [[f"`{name}`", NOTES.get(name) or first_line(getattr(api, name))] for name in api.__all__]
    yield from table(["name", "what"], rows)


def events_page() -> Iterator[str]:
    """Every event and its payload."""
    yield "# Events\n"
    yield """\
Events are CloudEvents 1.0 whose `source` is `urn:media-gateway`; the fields below are their `data`. They arrive at
least once, and in order for each subject. On Redis and Kafka other systems can read them too.
[Events and the outbox](../explanations/events-and-the-outbox.md) says what is promised.
"""
    for event in vars(events).values():
        if inspect.isclass(event) and issubclass(event, events.Event) and "event_type" in vars(event):
            yield f"## `{event.event_type}`\n"
            yield f"`{event.__name__}` in `{event.__module__}`. {inspect.getdoc(event)}\n"
            yield from schema_table("field", event.model_json_schema())


def errors_page() -> Iterator[str]:
    """The table of translations, and an example on each face."""
    yield "# Errors\n"
    yield """\
One table says how each error looks on each face. In `tools/call` every error is a result with `isError: true`, so that
the model can read it and act on it; only an unknown tool is a JSON-RPC error, -32602. Elsewhere in MCP an error is a
JSON-RPC error with the code below; an unknown resource is -32602 from revision 2026-07-28 on. Over REST it is a problem
document (RFC 9457). An error that is `retryable` may pass when the same request is sent again later.
"""
    rows = []
    for cls in _classes(errors.GatewayError):
        row = errors.translation(cls.__new__(cls))
        again = "yes" if row.retryable else ""
        rows.append([f"`{cls.reason}`", f"`{cls.__name__}`", row.jsonrpc_code, row.http_status, again, first_line(cls)])
    yield from table(["reason", "class", "JSON-RPC", "HTTP", "retryable", "when"], rows)
    wrong = errors.InvalidParams("filters.genre", "is not a parameter", allowed=["genres", "kinds"], nearest="genres")
    yield "The text of a tool's error:\n"
    yield json_block({"error": wrong.message, **wrong.payload()})
    yield "The same over REST:\n"
    yield json_block(orjson.loads(bytes(problem_of(wrong).body)))
    yield "## When a command fails\n"
    yield "It prints one or two lines on standard error that say what to do, and ends with an exit code.\n"
    rows = [["", 0, "Done."], ["", 2, "Wrong usage: an unknown option, tool, source or parameter."]]
    rows += [[f"`{cls.__name__}`", cls.exit_code, first_line(cls)] for cls in _classes(errors.StartupError)]
    yield from table(["class", "exit code", "when"], rows)


def commands_page() -> Iterator[str]:
    """The command line."""
    yield "# Commands\n"
    yield """\
Exit codes: 0 done, 1 failed, 2 wrong usage. `--help` explains each command, `media-gateway --version` prints the
version. In a checkout the command is `.venv/bin/media-gateway`.
"""
    yield from command_section("media-gateway", typer.main.get_command(command_line()))


def command_section(name: str, command: Any) -> Iterator[str]:
    """One command, or those below a group."""
    if hasattr(command, "commands"):
        for inner_name, inner in command.commands.items():
            yield from command_section(f"{name} {inner_name}", inner)
        return
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    usage = [name, "[OPTIONS]", *(a.name.upper() if a.required else f"[{a.name.upper()} ...]" for a in arguments)]
    yield f"## `{name}`\n"
    yield f"    {' '.join(usage)}\n"
    yield f"{(command.help or '').strip()}\n"
    yield from table(["argument or option", "what"], ([_option(p), _option_help(p)] for p in command.params))


_METAVARS = {"config": "FILE", "data_dir": "FOLDER", "plugins_dir": "FOLDER", "disable": "PLUGIN", "limit": "N"}


def _option(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    name = parameter.opts[0]
    if not name.startswith("-"):
        return f"`{parameter.name.upper()}`"
    if parameter.is_flag:
        return f"`{name}`"
    values = "|".join(get_args(annotation)) if get_origin(annotation) is Literal else None
    return f"`{name} {values or _METAVARS.get(parameter.name, parameter.name.upper())}`"


def _option_help(parameter: Any) -> str:
    default = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    return f"{parameter.help}" if default in {None, False, ()} else f"{parameter.help} Default: `{default}`."


def _classes(base: Any) -> list[Any]:
    """The classes of `errors` below a base, in the order of the file."""
    found = [cls for cls in vars(errors).values() if inspect.isclass(cls) and issubclass(cls, base)]
    return [cls for cls in found if cls is not errors.GatewayError]


def _summary(thing: Any) -> str:
    return str(thing.description.splitlines()[0])


def _settings(folder: str) -> Settings:
    """Of a gateway that stops on the least fault, and answers only when its index is complete."""
    overrides: dict[str, dict[str, Any]] = {
        "gateway": {"data_dir": folder, "profile": "full", "strict_plugins": True},
        "plugins": {"search": {"start_seconds": 60}, "suggest": {"start_seconds": 60}},
    }
    return load(overrides=overrides, environ={})


async def _answer(gateway: Gateway, tool: str) -> Any:
    registered = gateway.registry.tool(tool)
    return (await gateway.registry.invoke(registered, EXAMPLES[tool], Call(clock=gateway.clock))).value


def _written(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
