"""Keeps all listings up to date: each platform at its own pace, so that the trouble of one is no other's."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import anyio

from mcp_gateway.api import Services, Unavailable

from .report import Progress, TargetReport, nobody
from .source import AvailabilitySource
from .state import Circuit, SyncState, Target, Timing
from .store import SyncStore

if TYPE_CHECKING:  # a gateway that syncs nothing never needs what reads and writes listings
    from .run import ListingRun

log = logging.getLogger(__name__)

LOOK_SECONDS = 30
"""How often is looked whether something is due."""

EXPIRE_SECONDS = 15
"""How often offers are ended whose time is over. Every process does so; the database lets it happen once."""

Accept = Literal["removals", "shape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to sync, asked for by somebody.

    Attributes:
        platforms, regions: Only these; None: all.
        accept: What to take as right although it looked wrong: masses of removals, payloads of another shape.
    """

    platforms: Collection[str] | None = None
    regions: Collection[str] | None = None
    dry_run: bool = False
    accept: Collection[Accept] = ()

    def wants(self, target: Target) -> bool:
        """Whether the listing is meant."""
        return (self.platforms is None or target.platform in self.platforms) and (
            self.regions is None or target.region in self.regions
        )


ANYTHING = Wish()


class AvailabilitySync:
    """Asks sources again and again. `start` does so in the background; `sync` at once."""

    def __init__(self, services: Services, sources: Sequence[AvailabilitySource], timing: Timing) -> None:
        self._services = services
        self._sources = {source.key: source for source in sources}
        self._timing = timing
        self._store = SyncStore(services, lease=timing.lease)
        self._clock = services.clock

    @property
    def targets(self) -> list[Target]:
        """Every listing that sources cover and whose platform has a normalizer, in order."""
        known = self._services.platforms
        return sorted(
            Target(source.key, platform, region)
            for source in self._sources.values()
            for platform, regions in source.covers.items()
            if platform in known
            for region in regions
        )

    def start(self, *, ask: bool = True) -> None:
        """End offers whose time is over, and, if sources are to be asked, sync what is due, from now on."""
        platforms = {(target.source, target.platform) for target in self.targets} if ask else set()
        for source, platform in sorted(platforms):
            job = partial(self.sync_due, source, platform)
            self._services.background.every(LOOK_SECONDS, job, name=f"sync {platform} from {source}")
        self._services.background.every(EXPIRE_SECONDS, self.expire, name="end offers")

    async def sync_due(self, source: str, platform: str) -> None:
        """Sync those regions of a platform for which it is time."""
        states = await self._store.states()
        for target in self.targets:
            state = states.get(target, SyncState())
            if target[:2] != (source, platform) or not state.is_due(self._clock.now(), self._timing.interval):
                continue
            if self._services.shutdown.draining.is_set():
                return
            await self._sync(target, ANYTHING, nobody)

    async def sync(self, wish: Wish, on_progress: Progress = nobody) -> list[TargetReport]:
        """Sync now, whether due or not; platforms at the same time, the regions of each one after the other.

        Returns:
            One report a listing, in order.
        """
        reports: dict[Target, TargetReport] = {}
        by_platform: dict[tuple[str, str], list[Target]] = {}
        for target in filter(wish.wants, self.targets):
            by_platform.setdefault(target[:2], []).append(target)

        async def sync_all(targets: Sequence[Target]) -> None:
            for target in targets:
                reports[target] = await self._sync(target, wish, on_progress)

        async with anyio.create_task_group() as tasks:
            for targets in by_platform.values():
                tasks.start_soon(sync_all, targets)
        return [reports[target] for target in sorted(reports)]

    async def expire(self) -> None:
        """End offers whose time is over."""
        while ended := await self._services.catalog.expire_offers():
            log.info("offers ended, their time is over", extra={"offers": len(ended)})

    async def states(self) -> dict[Target, SyncState]:
        """What is known of every listing that is kept up to date now."""
        states = await self._store.states()
        return {target: states.get(target, SyncState()) for target in self.targets}

    async def health(self) -> Mapping[str, Any]:
        """How the sources do: `ok`, or which listings are in trouble and why. For those who run the gateway."""
        troubles = [_trouble(target, state) for target, state in (await self.states()).items()]
        told = [trouble for trouble in troubles if trouble]
        return {
            "status": "degraded" if told else "ok",
            "listings": len(troubles),
            "in_trouble": told,
        }

    def listing_run(self, target: Target, wish: Wish = ANYTHING, on_progress: Progress = nobody) -> ListingRun:
        """A run of one listing, ready to go."""
        from .rehearsal import Rehearsal
        from .run import ListingRun

        kind = Rehearsal if wish.dry_run else ListingRun
        return kind(
            source=self._sources[target.source],
            normalizer=self._services.platforms[target.platform],
            target=target,
            catalog=self._services.catalog,
            store=SyncStore(self._services, lease=self._timing.lease),
            timing=self._timing,
            clock=self._clock,
            on_progress=on_progress,
            accept_removals="removals" in wish.accept,
            accept_shape="shape" in wish.accept,
        )

    async def _sync(self, target: Target, wish: Wish, on_progress: Progress) -> TargetReport:
        circuit = await self._store.circuit(target.source, target.platform)
        if circuit.is_open(self._clock.now()):
            return _left_alone(target, circuit)
        run = self.listing_run(target, wish, on_progress)
        try:
            return await run.run()
        except Unavailable as error:
            run.report.outcome, run.report.error = "failed", error.message
            return run.report


def _left_alone(target: Target, circuit: Circuit) -> TargetReport:
    return TargetReport(target, outcome="waiting", error=circuit.error, retry_at=circuit.open_until)


def _trouble(target: Target, state: SyncState) -> dict[str, Any]:
    trouble: dict[str, Any] = {}
    if state.error:
        trouble |= {"error": state.error, "failures": state.failures, "retry_at": _iso(state.retry_at)}
    if state.held:
        trouble["removals_held"] = {"missed": state.held.missed, "standing": state.held.standing}
    if state.drift:
        trouble["fields_moved"] = [drift.model_dump() for drift in state.drift[:5]]
    return {**target._asdict(), "succeeded_at": _iso(state.succeeded_at), **trouble} if trouble else {}


def _iso(at: Any) -> str | None:
    return at.isoformat() if at else None
