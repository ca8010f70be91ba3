"""Takes in what platforms list: each payload becomes titles and their offers, as the platforms' normalizers read it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from anyio import to_thread

from mcp_gateway.catalog.platforms import PlatformNormalizer, PlatformRecord, Rejected, Sighting
from mcp_gateway.catalog.store import Catalog, fingerprint_of

from .intake import record_source, write
from .lines import Line
from .parsed import BadRecord, loads, refuse_nul
from .rejects import Rejection
from .seen import SeenMarks
from .taking import Taken, count_names

# What normalizers note when an offer cannot be, or cannot be at its price: a price below zero or in no currency, an end
# before the beginning.
_FAULTS = frozenset(
    {"window", "amount", "price_value", "retailPriceValue", "retail_price", "currency", "price_currency"}
)
_MAX_FAULTS = 5
_NUMBERINGS = (
    (re.compile(r"t[ms]\w*"), "/justwatch"),
    (re.compile(r"s\d+"), "/rows"),
    (re.compile(r"(movie|series)-.*"), "/reelgood"),
)


@dataclass(slots=True)
class ListingBatch:
    """Payloads, read.

    Attributes:
        records: What is said of each platform, by its key and by whose records the titles are.
        taken: What can be said of the lines already.
    """

    records: dict[tuple[str, str], list[PlatformRecord]] = field(default_factory=dict)
    taken: Taken = field(default_factory=Taken)


class ListingTaker:
    """Takes payloads in that speak of titles and of how to watch them.

    Args:
        source: Who says so.
        normalizers: Those that are asked about each payload. What the first of them rejects is rejected.
        seen: When and where the payloads were seen.
    """

    def __init__(
        self, catalog: Catalog, *, source: str, normalizers: Sequence[PlatformNormalizer], seen: Sighting
    ) -> None:
        self._catalog = catalog
        self._source = source
        self._normalizers = normalizers
        self._seen_where = seen
        self._seen = SeenMarks()

    async def ready(self, lines: Sequence[Line]) -> ListingBatch:
        """Normalise."""
        return await to_thread.run_sync(self._normalise, lines)

    async def take(self, batch: ListingBatch, before_writing: Callable[[], Awaitable[None]]) -> Taken:
        """Write titles and offers of a batch, all of them or none."""
        if not batch.records:
            return batch.taken
        await before_writing()
        async with self._catalog.batch() as catalog:
            for (platform, records_of), records in batch.records.items():
                report = await write(
                    catalog,
                    platform=platform,
                    source=self._source,
                    records=records,
                    seen=self._seen_where,
                    endings="never",
                    records_of=records_of,
                )
                batch.taken.changes.update(created=report.created, updated=report.updated, unchanged=report.unchanged)
                batch.taken.offers += report.offers_changed
        return batch.taken

    def _normalise(self, lines: Sequence[Line]) -> ListingBatch:
        batch = ListingBatch()
        for line in lines:
            found = line.fault or self._read(line)
            reason = found if isinstance(found, str) else self._repeated(found, line)
            if isinstance(found, str) or reason:
                batch.taken.rejections.append(Rejection(line.number, reason, line.raw))
                continue
            faults = _faults(found.values())
            if faults:
                batch.taken.faults.append(Rejection(line.number, faults, line.raw))
            else:
                batch.taken.accepted_lines.append(line.number)
            if not found:
                batch.taken.left_out["records that say nothing of the platform"] += 1
            for platform, record in found.items():
                whose = record_source(self._source, platform) + _numbering(record.titles[-1].key)
                batch.records.setdefault((platform, whose), []).append(record)
                batch.taken.accepted_keys.extend(title.key for title in record.titles)
                names = {f"{unknown.field}: {unknown.value[:60]}" for unknown in record.unknown}
                count_names(batch.taken.unknown, sorted(names))
        return batch

    def _read(self, line: Line) -> dict[str, PlatformRecord] | str:
        """What a payload says of each platform, or why it cannot be used."""
        try:
            payload = loads(line.raw)
            if rb"\u0000" in line.raw:
                refuse_nul(payload)
        except BadRecord as error:
            return str(error)
        found: dict[str, PlatformRecord] = {}
        for place, normalizer in enumerate(self._normalizers):
            record = normalizer.normalize(payload, self._seen_where)
            if isinstance(record, Rejected):
                if place == 0:
                    return record.reason
            elif record.titles:
                found[normalizer.key] = record
        return found

    def _repeated(self, found: Mapping[str, PlatformRecord], line: Line) -> str:
        """Why a payload is not the first of its title; empty when it is, or says the same."""
        first = next(iter(found.values()), None)
        if first is None or len(first.titles) != 1:
            return ""
        mark = fingerprint_of(line.raw)
        if self._seen.first(first.titles[0].key, mark) != mark:
            return "id: stands in an earlier record already, which says something else"
        return ""


def _faults(records: Iterable[PlatformRecord]) -> str:
    """What is wrong with the offers of a payload that is taken in without it; empty when nothing is."""
    notes = sorted({note for record in records for note in record.unknown if note.field in _FAULTS})
    return "; ".join(f"offer: {note.field} {note.value[:60]!r} cannot be used" for note in notes[:_MAX_FAULTS])


def _numbering(key: str) -> str:
    """What tells lists of one platform apart that number titles each in its own way, by the form of the numbers."""
    return next((name for form, name in _NUMBERINGS if form.fullmatch(key)), "")


def unfold(value: object) -> Sequence[object] | None:
    """The payloads of a page or an envelope, as the services and their clients wrap them."""
    if not isinstance(value, dict) or value.keys() & {"title", "name", "id"}:
        return None
    for name in ("shows", "result", "results", "items", "titles"):
        inner = value.get(name)
        if isinstance(inner, list):
            return inner
        if isinstance(inner, dict):
            # The changes of Streaming Availability have the shows by id.
            return list(inner.values()) if name == "shows" else [inner]
    return None
