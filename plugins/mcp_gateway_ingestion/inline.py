"""Takes in titles that come in a tool call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mcp_gateway.api import Call
from mcp_gateway.catalog.store import Catalog, ImportOutcome, SourceRecord

from .models import IngestedTitle, IngestTitlesParams, IngestTitlesResult, RejectedTitle
from .parsed import BadRecord, ParsedTitle

INLINE_SOURCE = "inline"


class InlineImport:
    """Takes in titles that come in a call."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    async def ingest_titles(self, params: IngestTitlesParams, call: Call) -> IngestTitlesResult:
        """Add titles to the catalogue, or lay what is known over those it has.

        A title has id (IMDb's tt… or one of your own), type (movie, tv, season, episode), title and year; and as far
        as known alt_titles, release_date, runtime_min, seasons, genres, tags, cast [{name, character}], directors,
        writers, overview, tagline, certification, countries, original_language, ratings {source: {score, votes}},
        popularity (0-100), external_ids {imdb, tmdb, …}, parent_id, season_number, episode_number.
        """
        parsed, rejected = _parse_all(params.titles)
        records = [SourceRecord(INLINE_SOURCE, title.key, title.facts, title.own_id) for title in parsed]
        outcomes = await self._catalog.import_records(records, dry_run=params.dry_run)
        count = Counter(outcome.change for outcome in outcomes)
        return IngestTitlesResult(
            created=count["created"],
            updated=count["updated"],
            unchanged=count["unchanged"],
            items=[_item(outcome) for outcome in outcomes],
            rejected=rejected,
            unknown_fields=sorted({name for title in parsed for name in title.unknown_fields}),
            dry_run=params.dry_run,
        )


def _parse_all(titles: Sequence[Any]) -> tuple[list[ParsedTitle], list[RejectedTitle]]:
    from .jsonl import parse_title  # its validator takes long to build, and most gateways are given no titles

    parsed: list[ParsedTitle] = []
    rejected: list[RejectedTitle] = []
    for position, title in enumerate(titles):
        try:
            parsed.append(parse_title(title))
        except BadRecord as error:
            rejected.append(RejectedTitle(position=position, reason=str(error)))
    return parsed, rejected


def _item(outcome: ImportOutcome) -> IngestedTitle:
    return IngestedTitle(id=outcome.title_id, change=outcome.change, evidence=outcome.evidence or None)
