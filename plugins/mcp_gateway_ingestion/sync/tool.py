"""The tool `sync_availability`."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from mcp_gateway.api import Call, InvalidParams

from .models import ListingReport, SyncParams, SyncResult
from .report import TargetReport
from .service import AvailabilitySync, Wish
from .state import Target

_NOTHING = (
    "No source is set up that could be asked. Set plugins.ingestion.tmdb.token or "
    "plugins.ingestion.streaming_availability.key, and start again."
)


class SyncTool:
    """Brings availability up to date when asked to."""

    def __init__(self, sync: AvailabilitySync) -> None:
        self._sync = sync

    async def sync_availability(self, params: SyncParams, call: Call) -> SyncResult:
        """Ask the sources of availability now, rather than when it is time, and take in what changed.

        Says for each platform and region what came, what went, and what went wrong. May take minutes; tells its
        progress, and ends when cancelled: what is in stays, and the next run goes on there.
        """
        targets = self._sync.targets
        if not targets:
            return SyncResult(items=[], in_trouble=0, dry_run=params.dry_run, note=_NOTHING)
        _check("platforms", params.platforms, {target.platform for target in targets})
        _check("regions", params.regions, {target.region for target in targets})
        wish = Wish(
            platforms=params.platforms, regions=params.regions, dry_run=params.dry_run, accept=frozenset(params.accept)
        )
        await call.detach()
        reports = await self._sync.sync(wish, _Progress(call).tell)
        return SyncResult(
            items=[_item(report) for report in reports],
            in_trouble=sum(report.outcome not in {"done", "dry_run"} for report in reports),
            dry_run=params.dry_run,
        )


class _Progress:
    """Adds the listings up."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._done: dict[Target, int] = {}
        self._total: dict[Target, int | None] = {}

    async def tell(self, target: Target, done: int, total: int | None) -> None:
        self._done[target], self._total[target] = done, total
        totals = list(self._total.values())
        known = None if None in totals else sum(each or 0 for each in totals)
        message = f"{target.platform} in {target.region}: {done} payloads"
        # With several listings the total grows as they begin; one that is not known before is told of none.
        await self._call.progress(sum(self._done.values()), known if len(totals) == 1 else None, message)


def _check(field: str, given: Collection[str] | None, known: Collection[str]) -> None:
    for value in given or ():
        if value not in known:
            close = get_close_matches(value, known, n=1)
            raise InvalidParams(
                field, f"{value[:40]!r} is not kept up to date by any source",
                allowed=sorted(known), nearest=close[0] if close else None,
            )  # fmt: skip


def _item(report: TargetReport) -> ListingReport:
    return ListingReport(
        **report.target._asdict(),
        outcome=report.outcome,
        full=report.full,
        pages=report.pages,
        payloads=report.payloads,
        rejected=report.rejected,
        not_understood=report.not_understood,
        created=report.created,
        updated=report.updated,
        offers=report.offers,
        changed=report.changed,
        ended=report.ended,
        error=report.error,
        retry_at=report.retry_at.isoformat() if report.retry_at else None,
        drift=report.drift or None,
    )
