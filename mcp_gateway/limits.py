"""How often a caller may call: a bucket of calls for each, refilled all the time."""

from __future__ import annotations

from collections import OrderedDict

from mcp_gateway.call import LOCAL, Call
from mcp_gateway.clock import Clock
from mcp_gateway.errors import RateLimited

# Buckets kept; the one unused for longest is forgotten first, which only fills it.
MAX_BUCKETS = 20_000


class RateLimit:
    """Counts the calls of each caller, or of each session while nobody has to sign in.

    Args:
        calls_per_minute: As many may come at once; then they come back at this rate.
    """

    def __init__(self, calls_per_minute: int, clock: Clock) -> None:
        self._most = float(calls_per_minute)
        self._per_second = calls_per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, call: Call) -> None:
        """Count a call. Raises RateLimited when there were too many."""
        key = call.session_id or "" if call.caller is LOCAL else f"caller {call.caller.id}"
        now = self._clock.monotonic()
        left, since = self._buckets.pop(key, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        self._buckets[key] = (left - 1 if left >= 1 else left, now)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        if left < 1:
            raise RateLimited(round((1 - left) / self._per_second, 3))
