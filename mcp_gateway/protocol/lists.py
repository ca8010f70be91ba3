"""The lists of tools, resources, templates and prompts: paged, and made once for each state of the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from orjson import Fragment

from mcp_gateway.errors import InvalidCursor
from mcp_gateway.pagination import Cursors
from mcp_gateway.protocol.encoding import encode
from mcp_gateway.protocol.exchange import Exchange
from mcp_gateway.protocol.versions import Revision
from mcp_gateway.registry import Registry

T = TypeVar("T")
SORT = "key"


class Listing(Generic[T]):
    """One list.

    Args:
        name: Its member in the result, e.g. `tools`.
        items: All of it, in the order of `key`.
        key: What a page goes on after: stays good when items come and go in between.
        show: An item as a revision has it.
    """

    def __init__(
        self,
        registry: Registry,
        cursors: Cursors,
        *,
        name: str,
        items: Callable[[], Sequence[T]],
        key: Callable[[T], str],
        show: Callable[[T, Revision], dict[str, Any]],
        page_size: int,
    ) -> None:
        self._registry = registry
        self._cursors = cursors.scoped(f"mcp:{name}")
        self._name = name
        self._items = items
        self._key = key
        self._show = show
        self._page_size = page_size
        self._first_pages: dict[str, dict[str, Any]] = {}
        self._made_of = -1

    async def list(self, exchange: Exchange) -> dict[str, Any]:
        """A page.

        Raises:
            InvalidCursor: The cursor is not one of this list.
        """
        cursor, revision = exchange.cursor(), exchange.revision
        if cursor is not None:
            return self._page(self._position(cursor), revision)
        if self._made_of != self._registry.revision:
            self._first_pages.clear()
            self._made_of = self._registry.revision
        if revision.name not in self._first_pages:
            page = self._page(None, revision)
            self._first_pages[revision.name] = {**page, self._name: Fragment(encode(page[self._name]))}
        return self._first_pages[revision.name]

    def _page(self, after: str | None, revision: Revision) -> dict[str, Any]:
        items = [item for item in self._items() if after is None or self._key(item) > after]
        page = items[: self._page_size]
        result: dict[str, Any] = {self._name: [self._show(item, revision) for item in page]}
        if len(items) > len(page):
            last = [self._key(page[-1])]
            result["nextCursor"] = self._cursors.encode(last, query={}, sort=SORT, caller="")
        return result

    def _position(self, cursor: str) -> str:
        (last,) = self._cursors.decode(cursor, query={}, sort=SORT, caller="")
        if not isinstance(last, str):
            raise InvalidCursor
        return last
