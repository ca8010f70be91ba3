"""Writes docs/reference from the code: settings, tools, resources, routes, hooks, errors and commands.

`--check` changes nothing and fails when a page is out of date.
"""

from __future__ import annotations

import inspect
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import click
import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from mcp_gateway import errors, hookspecs
from mcp_gateway.capability import Capability
from mcp_gateway.cli.app import app
from mcp_gateway.config import Settings, load
from mcp_gateway.gateway import Gateway
from mcp_gateway.plugin_manager import discover, read_declarations

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
NOTE = "<!-- Written by scripts/reference.py from the code; do not edit. -->\n"


def main() -> int:
    """Write or check every page; the number of pages that are out of date."""
    check = "--check" in sys.argv[1:]
    stale = 0
    for name, page in anyio.run(pages).items():
        path = FOLDER / name
        text = f"{NOTE}\n{page.rstrip()}\n"
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        stale += 1
        if check:
            print(f"docs/reference/{name} is out of date; run: python scripts/reference.py", file=sys.stderr)
        else:
            path.write_text(text, "utf-8")
            print(f"wrote docs/reference/{name}")
    return stale if check else 0


async def pages() -> dict[str, str]:
    """The pages' texts by file name."""
    with tempfile.TemporaryDirectory() as folder:
        overrides: dict[str, Any] = {"gateway": {"data_dir": folder, "profile": "full"}, "log": {"level": "error"}}
        settings = load(overrides=overrides, environ={})
        async with Gateway(settings).running() as gateway:
            registered = gateway.registry.capabilities()
            capabilities = [(r.plugin, r.capability) for r in registered]
            prompts = [(p.plugin, p.prompt) for p in gateway.registry.prompts()]
    return {
        "settings.md": "\n".join(settings_page()),
        "tools.md": "\n".join(tools_page(capabilities)),
        "resources.md": "\n".join(resources_page(capabilities, prompts)),
        "http.md": "\n".join(http_page(capabilities)),
        "hooks.md": "\n".join(hooks_page()),
        "errors.md": "\n".join(errors_page()),
        "commands.md": "\n".join(commands_page()),
    }


def settings_page() -> Iterator[str]:
    """Every section and key, those of the plugins too."""
    yield "# Settings\n"
    yield (
        "Settings stand in `gateway.toml`: the one named by `--config` or `MEDIA_GATEWAY_CONFIG`, else the one in the\n"
        "current folder, else the one in the data folder. Every key can also be given in the environment as\n"
        "`MEDIA_GATEWAY_SECTION__KEY`, e.g. `MEDIA_GATEWAY_HTTP__PORT=9000`; lists with commas. The command line is\n"
        "stronger than the environment, the environment stronger than the file. An unknown key stops the start.\n"
    )
    for section, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from section_table(section, field.annotation)
    for name, declared in sorted(read_declarations(discover(None)).items()):
        if declared.settings is not None:
            yield from section_table(f"plugins.{name}", declared.settings)


def section_table(title: str, model: type[BaseModel]) -> Iterator[str]:
    """One section."""
    yield f"## `[{title}]`\n"
    yield f"{inspect.getdoc(model)}\n"
    yield "| key | default | what |"
    yield "| --- | --- | --- |"
    for key, field in model.model_fields.items():
        default = "the user's data folder" if key == "data_dir" else _default(field.get_default())
        yield f"| `{key}` | {default} | {field.description} |"
    yield ""


def tools_page(capabilities: list[tuple[str, Capability]]) -> Iterator[str]:
    """Every tool with its parameters and what it returns."""
    yield "# Tools\n"
    yield "Tools marked • are in the default profile, `discovery`; `--profile full` offers all.\n"
    for plugin, capability in capabilities:
        if not capability.tool:
            continue
        mark = "" if capability.advanced else " •"
        yield f"## `{capability.name}`{mark}\n"
        yield f"{capability.description}\n"
        hints = "reads" if capability.read_only else "writes"
        scopes = f" Needs {', '.join(sorted(capability.scopes))}." if capability.scopes else ""
        yield f"Plugin `{plugin}`; {hints}.{scopes}\n"
        yield from schema_table("parameter", capability.input_schema)
        if capability.output_schema:
            yield from schema_table("result", capability.output_schema)


def schema_table(title: str, schema: Any) -> Iterator[str]:
    """The members of an object schema."""
    required = schema.get("required", ())
    rows = list(members(schema))
    if not rows:
        return
    yield f"| {title} | type | what |"
    yield "| --- | --- | --- |"
    for name, member in rows:
        need = " (required)" if name in required and title == "parameter" else ""
        yield f"| `{name}`{need} | {_type(member)} | {member.get('description', '')} |"
    yield ""


def members(schema: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every property, those of inner objects by dotted names."""
    for name, member in schema.get("properties", {}).items():
        yield f"{prefix}{name}", member
        inner = member.get("items", member) if isinstance(member, dict) else {}
        if inner.get("type") == "object" and inner.get("properties"):
            yield from members(inner, f"{prefix}{name}{'[]' if inner is not member else ''}.")


def resources_page(capabilities: list[tuple[str, Capability]], prompts: list[tuple[str, Any]]) -> Iterator[str]:
    """Resources, templates and prompts."""
    yield "# Resources and prompts\n"
    yield "| URI | plugin | what | completes |"
    yield "| --- | --- | --- | --- |"
    for plugin, capability in capabilities:
        if capability.uri:
            summary = capability.description.splitlines()[0]
            completes = ", ".join(f"`{name}`" for name in capability.completions)
            yield f"| `{capability.uri}` | {plugin} | {summary} | {completes} |"
    yield ""
    if prompts:
        yield "| prompt | plugin | what |"
        yield "| --- | --- | --- |"
        for plugin, prompt in prompts:
            yield f"| `{prompt.name}` | {plugin} | {prompt.description.splitlines()[0]} |"


def http_page(capabilities: list[tuple[str, Capability]]) -> Iterator[str]:
    """The HTTP paths."""
    yield "# HTTP\n"
    yield "| path | what |"
    yield "| --- | --- |"
    yield "| `/mcp` | MCP over streamable HTTP, every revision from 2025-03-26 on |"
    yield "| `GET /sse`, `POST /messages?session_id=` | MCP over HTTP+SSE, as in revision 2024-11-05 |"
    yield "| `GET /healthz` | 200 while the process runs |"
    yield "| `GET /readyz` | 200 while it can serve, else 503, with the state of each part |"
    yield "| `GET /openapi.json` | the REST routes as OpenAPI 3.1 |"
    for plugin, capability in capabilities:
        if capability.rest:
            summary = capability.description.splitlines()[0]
            yield f"| `{capability.rest.method} {capability.rest.path}` | {summary} (plugin `{plugin}`) |"
    yield ""
    yield (
        "Parameters stand in the path and the query (`filters.year_from=1990`, a list by repeating its name), or in a\n"
        "JSON body for POST, PATCH and PUT. Errors are RFC 9457 problem documents. Lists carry a `Link` header."
    )


def hooks_page() -> Iterator[str]:
    """What a plugin may implement."""
    yield "# Hooks\n"
    yield "A plugin is a module with functions marked `@hookimpl`; they take any subset of the arguments.\n"
    for name, function in vars(hookspecs).items():
        if hasattr(function, f"{hookspecs.PROJECT}_spec"):
            yield f"## `{name}{inspect.signature(function)}`\n"
            yield f"{inspect.getdoc(function)}\n"


def errors_page() -> Iterator[str]:
    """The table of translations."""
    yield "# Errors\n"
    yield (
        "In `tools/call` every error is a result with `isError: true`, whose text is JSON with `error` and `reason`;\n"
        "elsewhere in MCP it is a JSON-RPC error; over REST a problem document.\n"
    )
    yield "| reason | JSON-RPC | HTTP | when |"
    yield "| --- | --- | --- | --- |"
    for error in vars(errors).values():
        if inspect.isclass(error) and issubclass(error, errors.GatewayError) and error is not errors.GatewayError:
            row = errors.translation(error.__new__(error))
            summary = (inspect.getdoc(error) or "").splitlines()[0]
            yield f"| `{error.reason}` | {row.jsonrpc_code} | {row.http_status} | {summary} |"


def commands_page() -> Iterator[str]:
    """The command line."""
    yield "# Commands\n"
    yield "Exit codes: 0 done, 1 failed, 2 wrong usage.\n"
    group = typer.main.get_command(app)
    yield from command_section("media-gateway", group)


def command_section(name: str, command: Any) -> Iterator[str]:
    """One command and those below it."""
    if hasattr(command, "commands"):
        for inner_name, inner in command.commands.items():
            yield from command_section(f"{name} {inner_name}", inner)
        return
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## `{name}`\n"
    yield f"    {name} {usage}\n"
    yield f"{(command.help or '').strip()}\n"
    rows = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    if rows:
        yield "| option | what |"
        yield "| --- | --- |"
        for option, text in rows:
            yield f"| `{option}` | {text.replace('|', chr(92) + '|')} |"
        yield ""


def _default(value: Any) -> str:
    if value is PydanticUndefined or value is None or value == "":
        return "none"
    if value == []:
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(schema: Any) -> str:
    if "enum" in schema:
        return ", ".join(f"`{option}`" for option in schema["enum"])
    kind = schema.get("type", "any")
    return f"list of {_type(schema.get('items', {}))}" if kind == "array" else str(kind)


if __name__ == "__main__":
    sys.exit(main())
