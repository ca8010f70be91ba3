"""Where a request comes from."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from mcp_gateway_auth.server.client_address import ClientAddress


@pytest.mark.parametrize(
    ("lines", "peer", "address"),
    [
        ([], "198.51.100.4", "198.51.100.4"),
        ([], "2001:db8::1:2", "2001:db8::/64"),
        ([], "::ffff:198.51.100.4", "198.51.100.4"),
        (["::ffff:198.51.100.4"], "127.0.0.1", "198.51.100.4"),
        (["203.0.113.1, 198.51.100.4"], "127.0.0.1", "198.51.100.4"),
        (["203.0.113.1", "198.51.100.4"], "127.0.0.1", "198.51.100.4"),
        (["nowhere"], "127.0.0.1", "unknown"),
    ],
)
def test_an_address_is_the_last_that_the_proxy_names(lines: list[str], peer: str, address: str) -> None:
    """A proxy may add a line of its own to the client's. IPv4 is the same however a socket writes it."""
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    scope = {"type": "http", "headers": headers, "client": (peer, 1)}

    assert ClientAddress("X-Forwarded-For").of(Request(scope)) == address
