"""Where a request comes from, as far as that can be known behind a proxy."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network

from starlette.requests import Request


class ClientAddress:
    """Tells from where a request comes.

    Args:
        header: In which a proxy in front writes it, e.g. `X-Forwarded-For`; empty: there is no proxy.
    """

    def __init__(self, header: str) -> None:
        self._header = header

    def of(self, request: Request) -> str:
        """The address; of IPv6 the network, because everybody has 2^64 addresses of their own."""
        given = ",".join(request.headers.getlist(self._header)) if self._header else ""
        # What stands before the last entry, in this line or one before, is the client's own claim.
        text = given.rpartition(",")[2].strip() or (request.client.host if request.client else "")
        try:
            address = ip_address(text)
        except ValueError:
            return "unknown"
        if isinstance(address, IPv4Address):
            return str(address)
        # A socket for both kinds shows IPv4 addresses as ::ffff:a.b.c.d, all of one network.
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))


def place_of(address: str) -> str:
    """The address in words, coarse enough to be kept."""
    try:
        network = ip_network(address)
    except ValueError:
        return "an unknown place"
    if network.is_loopback:
        return "this computer"
    if network.is_private:
        return "your own network"
    return f"the internet ({network.supernet(new_prefix=24 if network.version == 4 else 48)})"


_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Macintosh", "CrOS", "Linux")
_NAMES = {"Macintosh": "a Mac", "CrOS": "a Chromebook", "iPhone": "an iPhone", "iPad": "an iPad"}
# The more particular one first: Edge and Opera call themselves Chrome too, and Chrome Safari.
_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}


def device_of(user_agent: str) -> str:
    """The device in words."""
    browser = next((name for mark, name in _BROWSERS.items() if f"{mark}/" in user_agent), "A browser")
    system = next((system for system in _SYSTEMS if system in user_agent), None)
    return browser if system is None else f"{browser} on {_NAMES.get(system, system)}"
