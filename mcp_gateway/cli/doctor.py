"""`doctor`: find the likely faults of a set-up, and say how to mend them."""

from __future__ import annotations

import platform
import shutil
import socket
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import anyio
import orjson
import typer

from mcp_gateway import __version__
from mcp_gateway.catalog.models import KINDS
from mcp_gateway.cli.options import (
    ConfigOption,
    DataDirOption,
    JsonOption,
    PluginsDirOption,
    log_when_asked,
    settings_from,
)
from mcp_gateway.cli.starting import started
from mcp_gateway.errors import StartupError, first_of
from mcp_gateway.settings import Settings

if TYPE_CHECKING:
    from mcp_gateway.gateway import Gateway

LOW_DISK_BYTES = 1_000_000_000
MARKS = {"ok": "ok  ", "warning": "warn", "failed": "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, and what to do about it."""

    check: str
    result: Literal["ok", "warning", "failed"]
    detail: str
    remedy: str = ""


def doctor(
    json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    plugins_dir: PluginsDirOption = None,
) -> None:
    """Look for faults of the set-up. Exit code 1 when something does not work."""
    findings = [Finding("python", "ok", f"{platform.python_version()} at {sys.prefix}")]
    try:
        settings = settings_from(config, data_dir, plugins_dir)
    except StartupError as error:
        findings.append(Finding("settings", "failed", str(error), "Correct the settings named above."))
    else:
        log_when_asked(settings.log)
        findings.append(Finding("settings", "ok", "valid"))
        findings += anyio.run(_all, settings)
    if json:
        typer.echo(orjson.dumps({"version": __version__, "checks": [asdict(f) for f in findings]}).decode())
    else:
        for finding in findings:
            typer.echo(f"{MARKS[finding.result]}  {finding.check}: {finding.detail}")
            if finding.remedy and finding.result != "ok":
                typer.echo(f"      {finding.remedy}")
    if any(finding.result == "failed" for finding in findings):
        raise typer.Exit(1)


async def _all(settings: Settings) -> list[Finding]:
    findings = [_data_dir(settings), _port(settings)]
    return findings + await _running(settings)


def _data_dir(settings: Settings) -> Finding:
    from mcp_gateway.gateway import make_data_dir

    folder = settings.gateway.data_dir
    try:
        make_data_dir(folder)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except (StartupError, OSError) as error:
        told = f"{folder}: {error.strerror}" if isinstance(error, OSError) else str(error)
        return Finding("data folder", "failed", told, "Choose a folder you may write with --data-dir.")
    free = shutil.disk_usage(folder).free
    detail = f"{folder}, {free / 1e9:.1f} GB free"
    if free < LOW_DISK_BYTES:
        return Finding("data folder", "warning", detail, "A catalogue of 100,000 titles needs about 500 MB.")
    return Finding("data folder", "ok", detail)


def _port(settings: Settings) -> Finding:
    address = f"{settings.http.host}:{settings.http.port}"
    try:
        with socket.create_server((settings.http.host, settings.http.port)):
            return Finding("port", "ok", f"{address} is free")
    except OSError as error:
        return Finding(
            "port", "warning", f"{address}: {error.strerror}", "Fine if the gateway runs already; else use --port."
        )


async def _running(settings: Settings) -> list[Finding]:
    """Start everything but the transports, and look at it."""
    findings: list[Finding] = []
    try:
        async with started(settings) as gateway:
            findings = await _looked_at(gateway)
    except* StartupError as group:
        findings.append(Finding("start", "failed", str(first_of(group)), "Correct what the message names."))
    return findings


async def _looked_at(gateway: Gateway) -> list[Finding]:
    health = await gateway.health()
    findings = [
        Finding(part, "ok" if state == "ok" else "failed", state, "Check its address in the settings.")
        for part, state in (
            ("database", health["database"]),
            ("cache", health["cache"]),
            ("events", health["events"]["status"]),
        )
    ]
    findings += [_plugin(plugin.name, plugin.state, plugin.for_operator) for plugin in gateway.plugins]
    findings += [_index(name, str(told["index"])) for name, told in health["details"].items() if "index" in told]
    counts = await gateway.catalog.counts()
    titles = sum(counts.get(kind, 0) for kind in KINDS)
    remedy = "Take one in: media-gateway ingest jsonl FILE"
    findings.append(Finding("catalogue", "ok" if titles else "warning", f"{titles:,} titles", remedy))
    return findings


def _index(plugin: str, state: str) -> Finding:
    remedy = "A gateway that runs brings it up to date by itself; until then answers may lack something."
    return Finding(f"index of {plugin}", "ok" if state == "up to date" else "warning", state, remedy)


def _plugin(name: str, state: str, reason: str | None) -> Finding:
    if reason:
        remedy = f"Correct it, or leave it out with --disable {name}."
        return Finding(f"plugin {name}", "failed", f"{state}: {reason}", remedy)
    return Finding(f"plugin {name}", "ok", state)
