"""Fetches documents from addresses that strangers name, and from nowhere that only this machine can reach."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import anyio

if TYPE_CHECKING:
    import httpx2

MAX_BYTES = 16 * 1024
FETCH_SECONDS = 5.0
MAX_URL_CHARS = 500

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# Addresses of IPv6 that lead to one of IPv4, which might be private: mapped, compatible, NAT64, Teredo, 6to4.
_TRANSITIONS = [
    ip_network(network)
    for network in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16")
]


class NotFetched(Exception):
    """The document is not to be had, or may not be asked for; the message says why, for the log."""


class Unreachable(NotFetched):
    """It cannot be had at the moment."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document.

    Attributes:
        max_age_seconds: How long its server says that it stays good; None: it does not say.
    """

    body: bytes
    max_age_seconds: int | None


def is_public(address: Address) -> bool:
    """Whether it belongs to the internet, where everybody can ask: no private, local or reserved one does."""
    if any(address.version == network.version and address in network for network in _TRANSITIONS):
        return False
    return address.is_global and not address.is_multicast


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host."""
    try:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unreachable("its host has no address") from None
    return [str(entry[4][0]) for entry in found]


class GuardedFetch:
    """Fetches over https, from public addresses, without following redirects, in bounded time and size.

    The name is looked up once, all its addresses are checked, and the connection goes to one that was checked: a name
    that leads elsewhere a moment later gains nothing.

    Args:
        lookup: Finds the addresses of a host.
        allows: Whether an address may be asked.
        context: The certificates that are trusted; None: the usual ones.
        max_bytes: A longer document is not read.
    """

    def __init__(
        self,
        lookup: Resolve = resolve,
        allows: Callable[[Address], bool] = is_public,
        context: ssl.SSLContext | None = None,
        *,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._max_bytes = max_bytes
        self._lookup = lookup
        self._allows = allows
        self._context = context

    async def fetch(self, url: str) -> Fetched:
        """The document.

        Raises:
            NotFetched: It is not to be had, or may not be asked for; `Unreachable`, if that may change.
        """
        parts = checked(url)
        try:
            with anyio.fail_after(FETCH_SECONDS):
                return await self._ask(parts, await self._address(parts))
        except TimeoutError:
            raise Unreachable("its server is too slow") from None

    async def _address(self, parts: SplitResult) -> Address:
        found = [ip_address(text.partition("%")[0]) for text in await self._lookup(parts.hostname or "", _port(parts))]
        if not found or not all(self._allows(address) for address in found):
            raise NotFetched("its host is not on the internet")
        return found[0]

    async def _ask(self, parts: SplitResult, address: Address) -> Fetched:
        import httpx2

        host = f"[{address}]" if address.version == 6 else str(address)
        url = f"https://{host}:{_port(parts)}{parts.path}{'?' if parts.query else ''}{parts.query}"
        client = httpx2.AsyncClient(
            verify=self._context or ssl.create_default_context(), trust_env=False, follow_redirects=False, http2=False
        )
        headers = {"Host": parts.netloc, "Accept": "application/json", "Accept-Encoding": "identity"}
        try:
            async with (
                client,
                client.stream("GET", url, headers=headers, extensions={"sni_hostname": parts.hostname}) as response,
            ):
                return await _read(response, self._max_bytes)
        except httpx2.HTTPError as error:
            raise Unreachable(f"its server did not answer: {type(error).__name__}") from None


def checked(url: str) -> SplitResult:
    """The parts of an address that may be asked for.

    Raises:
        NotFetched: It may not.
    """
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError:
        raise NotFetched("it is no URL") from None
    written = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
    if not written or len(url) > MAX_URL_CHARS or parts.scheme != "https" or not parts.hostname:
        raise NotFetched("it is no https URL")
    if "@" in parts.netloc or "#" in url:
        raise NotFetched("its URL has a user or a fragment")
    return parts


async def _read(response: httpx2.Response, max_bytes: int) -> Fetched:
    if response.status_code == 429 or response.status_code >= 500:
        raise Unreachable(f"its server answered {response.status_code}")
    if response.status_code != 200:
        raise NotFetched(f"its server answered {response.status_code}")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise NotFetched(f"it has more than {max_bytes} bytes")
    return Fetched(bytes(body), _max_age(response.headers.get("cache-control", "")))


def _max_age(cache_control: str) -> int | None:
    for directive in cache_control.lower().split(","):
        name, _, value = directive.strip().partition("=")
        if name in {"no-store", "no-cache"}:
            return 0
        if name == "max-age" and value.isdecimal() and len(value) < 10:
            return int(value)
    return None


def _port(parts: SplitResult) -> int:
    return parts.port or 443
