"""Puts the parts together that keep availability up to date and tell of it."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_gateway.api import Capability, Prompt, Services, capability, prompt

from ..settings import IngestionSettings
from ..sync.service import AvailabilitySync
from ..sync.source import AvailabilitySource
from ..sync.tool import SyncTool
from .desk import AvailabilityDesk
from .leaving import what_is_leaving
from .notices import PLATFORMS_URI, Notices

READ = frozenset({"catalog:read"})
WRITE = frozenset({"catalog:write"})

LONGEST_SYNC_SECONDS = 6 * 3600


def availability(
    services: Services, settings: IngestionSettings, sources: Sequence[AvailabilitySource]
) -> list[Capability | Prompt]:
    """Start the sync, and build what is offered."""
    timing = settings.sync.timing()
    sync = AvailabilitySync(services, sources, timing)
    sync.start(ask=settings.sync.enabled and not services.one_shot)
    services.report_health(sync.health)
    Notices(services)
    desk = AvailabilityDesk(services, sync, services.cursors.scoped("list_expiring_titles"), interval=timing.interval)
    return [
        capability(
            "get_availability", desk.get_availability, scopes=READ,
            uri="media://titles/{id}/availability/{region}", rest="GET /api/v1/titles/{id}/availability",
            completions={"id": desk.complete_title, "region": desk.complete_region},
        ),
        capability(
            "list_expiring_titles", desk.list_expiring_titles, scopes=READ,
            uri="media://platforms/{platform}/expiring/{region}",
            completions={"platform": desk.complete_platform, "region": desk.complete_region},
        ),
        capability("list_platforms", desk.list_platforms, uri=PLATFORMS_URI, scopes=READ, advanced=True),
        capability(
            "sync_availability", SyncTool(sync).sync_availability, scopes=WRITE, read_only=False, destructive=True,
            idempotent=True, open_world=True, advanced=True, timeout_seconds=LONGEST_SYNC_SECONDS,
        ),
        prompt(
            "what_is_leaving", what_is_leaving,
            completions={"platform": desk.complete_platform, "region": desk.complete_region},
        ),
    ]  # fmt: skip
