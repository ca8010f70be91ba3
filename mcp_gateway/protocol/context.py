"""A message's way back to its client, as what serves it sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import anyio

from mcp_gateway.call import LOCAL, Caller
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.messages import INVALID_REQUEST, RequestId, RpcError

Params = Mapping[str, Any] | None
CallOptions = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TransportContext:
    """How a message came, and whether the client can be asked the same way."""

    kind: str
    can_send_request: bool


class Channel(Protocol):
    """Where messages for the client go. A pipe has one for all requests; over streamable HTTP each has its own."""

    @property
    def detach(self) -> Callable[[], Awaitable[None]] | None:
        """Ends the response early, where the client can take it up again; None where it cannot."""
        ...

    async def send(self, message: bytes) -> None:
        """Send a message. Waits while the client is slow; does nothing once it is gone."""
        ...


class Asker(Protocol):
    """What asks the client something."""

    async def ask(
        self, channel: Channel, method: str, params: Params, opts: CallOptions | None = None, *, makes_room: bool
    ) -> dict[str, Any]:
        """The answer. Raises RpcError when there is none."""
        ...


class RequestContext:
    """One message's way back to the client. Implements the SDK's `DispatchContext`; says nothing once closed.

    Args:
        channel: Where what belongs to the message goes.
        request_id: None for a notification.
        asker: Who asks the client; None where it cannot be asked.
        caller: Who sent the message.
        headers: Of the HTTP request, where the revision compares them with the message.
    """

    __slots__ = (
        "_asker",
        "_asking",
        "_cancelled",
        "_channel",
        "_open",
        "caller",
        "close_stream",
        "headers",
        "message_metadata",
        "request_id",
        "transport",
    )

    def __init__(
        self,
        transport: TransportContext,
        channel: Channel,
        request_id: RequestId | None,
        asker: Asker | None = None,
        *,
        caller: Caller = LOCAL,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.transport = transport
        self.caller = caller
        self.request_id = request_id
        self.headers = headers
        self.message_metadata = None
        self.close_stream = channel.detach
        self._channel = channel
        self._asker = asker
        self._open = True
        self._asking = 0
        self._cancelled: anyio.Event | None = None

    @property
    def can_send_request(self) -> bool:
        """Whether the client can be asked."""
        return self._open and self.transport.can_send_request

    @property
    def cancel_requested(self) -> anyio.Event:
        """Never set: a cancelled request is cancelled at once, by its scope."""
        self._cancelled = self._cancelled or anyio.Event()
        return self._cancelled

    def one_way(self) -> RequestContext:
        """For revisions in which a server asks nothing."""
        self.transport = TransportContext(kind=self.transport.kind, can_send_request=False)
        return self

    def close(self) -> None:
        """The request is over."""
        self._open = False

    async def send_raw_request(self, method: str, params: Params, opts: CallOptions | None = None) -> dict[str, Any]:
        """Ask the client."""
        if self._asker is None or not self.can_send_request:
            raise RpcError(INVALID_REQUEST, f"The client cannot be asked {method} here")
        self._asking += 1
        try:
            return await self._asker.ask(self._channel, method, params, opts, makes_room=self._asking == 1)
        finally:
            self._asking -= 1

    async def notify(self, method: str, params: Params, opts: CallOptions | None = None) -> None:
        """Send a notification that belongs to this request."""
        if self._open:
            await self._channel.send(notification(method, params))

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Unused: `client.py` reports progress, with its rules, over `notify`."""


def error_answer(request_id: RequestId | None, code: int, message: str, data: Any = None) -> dict[str, Any]:
    """An error as JSON-RPC has it."""
    return {"jsonrpc": "2.0", "id": request_id, "error": RpcError(code, message, data).as_json()}


def notification(method: str, params: Params) -> bytes:
    """A notification as it is sent."""
    return encode({"jsonrpc": "2.0", **body(method, params)})


def body(method: str, params: Params) -> dict[str, Any]:
    """What a request and a notification have in common."""
    return {"method": method, "params": params} if params else {"method": method}
