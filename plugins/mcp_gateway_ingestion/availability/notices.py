"""Tells whoever subscribed to resources of availability that they changed."""

from __future__ import annotations

from mcp_gateway.api import Services
from mcp_gateway.catalog.events import AvailabilityChanged, AvailabilityExpired, OfferEvent

PLATFORMS_URI = "media://platforms"


class Notices:
    """Hears of changes of availability, on every instance, and tells its subscribers."""

    def __init__(self, services: Services) -> None:
        self._resources = services.resources
        services.events.subscribe(AvailabilityChanged, self.changed)
        services.events.subscribe(AvailabilityExpired, self.expired)

    async def changed(self, event: AvailabilityChanged) -> None:
        """An offer came, went or says something else."""
        self._tell(event, leaves="valid_until" in event.changed, counts=event.before is None or event.after is None)

    async def expired(self, event: AvailabilityExpired) -> None:
        """An offer's time is over."""
        self._tell(event, leaves=True, counts=True)

    def _tell(self, event: OfferEvent, *, leaves: bool, counts: bool) -> None:
        if event.region:
            self._resources.changed(f"media://titles/{event.title_id}/availability/{event.region}")
            if leaves:
                self._resources.changed(f"media://platforms/{event.platform}/expiring/{event.region}")
        if counts:
            self._resources.changed(PLATFORMS_URI)
