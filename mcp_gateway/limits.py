"""How often a caller may call: a bucket of calls for each, refilled all the time."""

from __future__ import annotations

from collections import OrderedDict

from mcp_gateway.call import LOCAL, Call
from mcp_gateway.clock import Clock
from mcp_gateway.errors import RateLimited
from mcp_gateway.settings import LimitsSection

# Buckets kept; the one unused for longest is forgotten first, which only fills it.
MAX_BUCKETS = 20_000


class RateLimit:
    """Counts the calls of each caller who signed in, in all and of each tool; of each session while nobody has to."""

    def __init__(self, limits: LimitsSection, clock: Clock) -> None:
        self._of_sessions = _Buckets(limits.calls_per_minute, clock)
        self._of_callers = _Buckets(limits.signed_in_calls_per_minute, clock)
        self._of_tools = {tool: _Buckets(most, clock) for tool, most in limits.tool_calls_per_minute.items()}

    def take(self, call: Call, tool: str = "") -> None:
        """Count a call. Raises RateLimited when there were too many."""
        if call.caller is LOCAL:
            self._of_sessions.take(call.session_id or "")
            return
        self._of_callers.take(call.caller.id)
        if tool in self._of_tools:
            self._of_tools[tool].take(call.caller.id)


class _Buckets:
    """A bucket for each key.

    Args:
        per_minute: As many calls may come at once; then they come back at this rate.
    """

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._most = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> None:
        now = self._clock.monotonic()
        left, since = self._left.pop(key, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        self._left[key] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > MAX_BUCKETS:
            self._left.popitem(last=False)
        if left < 1:
            raise RateLimited(round((1 - left) / self._per_second, 3))
