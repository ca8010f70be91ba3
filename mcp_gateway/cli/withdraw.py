"""`withdraw`: take back the offers of an import that should not have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from mcp_gateway.cli.ingest import country
from mcp_gateway.cli.options import ConfigOption, DataDirOption, JsonOption, log_when_asked, settings_from
from mcp_gateway.cli.starting import asked
from mcp_gateway.interfaces import Importers, Withdrawal

NOWHERE = "none"
"""What `--region` says for offers of no known country."""


def withdraw(
    source: Annotated[str, typer.Argument(help="As given to ingest, e.g. platform:netflix.")],
    platform: Annotated[str | None, typer.Option("--platform", help="Only the offers of this platform.")] = None,
    region: Annotated[
        str | None,
        typer.Option("--region", help="Only those of this country (ISO 3166-1); none: only those without a country."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take the offers away that a source told of; its titles stay. Whoever follows the events hears of it."""
    settings = settings_from(config, data_dir)
    log_when_asked(settings.log)
    where = "" if region == NOWHERE else country(region)
    gone = asked(
        settings,
        "ingestion",
        Importers,
        lambda importers: importers.withdraw(source, platform=platform, region=where, dry_run=dry_run),
    )
    typer.echo(orjson.dumps([asdict(each) for each in gone]).decode() if json else _in_words(gone, dry_run=dry_run))


def _in_words(gone: Sequence[Withdrawal], *, dry_run: bool) -> str:
    lines = [f"{each.platform}, {each.region or 'no known country'}: {each.offers:,} offers" for each in gone]
    total = sum(each.offers for each in gone)
    return "\n".join([*lines, f"{total:,} offers {'would go' if dry_run else 'are gone'}."])
