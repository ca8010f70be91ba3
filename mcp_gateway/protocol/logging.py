"""logging/setLevel."""

from __future__ import annotations

from typing import Any

from mcp_gateway.call import LOG_LEVELS
from mcp_gateway.errors import InvalidParams, nearest
from mcp_gateway.protocol.exchange import Exchange


async def set_level(exchange: Exchange) -> dict[str, Any]:
    """From now on send this client messages of this level and above.

    Raises:
        InvalidParams: It is not one of the eight levels.
    """
    wanted = exchange.params.get("level")
    for level in LOG_LEVELS:
        if level == wanted:
            exchange.session.log_level = level
            return {}
    close = nearest(wanted.lower(), LOG_LEVELS) if isinstance(wanted, str) else None
    raise InvalidParams("level", "is not a level", allowed=LOG_LEVELS, nearest=close)
