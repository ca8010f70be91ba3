"""Cursors of the four lists."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio

LISTS = [
    ("tools/list", "tools", "name"),
    ("resources/list", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ("prompts/list", "prompts", "name"),
]


async def walk(wire: Wire, method: str) -> list[dict[str, Any]]:
    """All pages, each asked for twice: the items are the same, though the next cursor may be younger."""
    pages = [await wire.result(method)]
    while "nextCursor" in pages[-1]:
        assert isinstance(pages[-1]["nextCursor"], str)
        cursor = {"cursor": pages[-1]["nextCursor"]}
        pages.append(await wire.result(method, cursor))
        again = await wire.result(method, cursor)
        assert {**again, "nextCursor": None} == {**pages[-1], "nextCursor": None}
        assert len(pages) < 1000
    return pages


@requirement("M01", "M02", "M03")
async def test_the_pages_hold_every_item_once_and_come_again(peer: Peer) -> None:
    sizes = {}
    async with peer.ready(variant="small pages" if peer.server.own else "") as wire:
        for method, member, key in LISTS:
            if method.partition("/")[0] not in peer.offer.capabilities:
                continue
            pages = await walk(wire, method)
            items = [item[key] for page in pages for item in page[member]]
            assert len(items) == len(set(items))
            sizes[member] = (len(pages), len(items))

    if peer.server.own:
        assert all(pages == (items + 1) // 2 for pages, items in sizes.values())
        assert sizes["tools"][0] > 3


@requirement("M03")
async def test_a_change_in_between_neither_loses_nor_repeats_other_items(peer: Peer) -> None:
    async with peer.ready(variant="small pages") as wire:
        peer.needs("list_change")
        before = {tool["name"] for page in await walk(wire, "tools/list") for tool in page["tools"]}
        first = await wire.result("tools/list")
        await wire.call("list_change")
        names = [tool["name"] for tool in first["tools"]]
        page = first
        while "nextCursor" in page:
            page = await wire.result("tools/list", {"cursor": page["nextCursor"]})
            names += [tool["name"] for tool in page["tools"]]
        after = {tool["name"] for page in await walk(wire, "tools/list") for tool in page["tools"]}

    assert before != after
    assert len(names) == len(set(names))
    assert set(names) >= before & after


@requirement("M04")
@pytest.mark.parametrize("method", [method for method, _, _ in LISTS])
@pytest.mark.parametrize(
    "cursor", ["bogus", "", "-1", "MQ==", "a" * 100_000, 5, {}], ids=lambda c: str(c)[:20] or "empty"
)
async def test_a_cursor_that_was_not_issued_is_refused(peer: Peer, wire: Wire, method: str, cursor: Any) -> None:
    peer.declares(method.partition("/")[0])

    assert (await wire.error(method, {"cursor": cursor}))["code"] == -32602


@requirement("M04")
async def test_a_cursor_of_another_list_or_an_altered_one_is_refused(peer: Peer) -> None:
    async with peer.ready(variant="small pages") as wire:
        issued = (await wire.result("tools/list"))["nextCursor"]
        altered = issued[:-2] + ("AA" if issued[-2:] != "AA" else "BB")

        assert (await wire.error("prompts/list", {"cursor": issued}))["code"] == -32602
        assert (await wire.error("tools/list", {"cursor": altered}))["code"] == -32602


@requirement("M05")
async def test_a_cursor_of_another_session_is_understood_or_refused(peer: Peer) -> None:
    async with peer.ready(variant="small pages") as wire:
        cursor = {"cursor": (await wire.result("tools/list"))["nextCursor"]}
        expected = await wire.result("tools/list", cursor)
    async with peer.ready(variant="small pages") as wire:
        answer = await wire.request("tools/list", cursor)

    if "error" in answer:
        assert answer["error"]["code"] == -32602
    else:
        assert answer["result"]["tools"] == expected["tools"]


@requirement("M06")
@pytest.mark.parametrize("method", [method for method, _, _ in LISTS])
async def test_ordinary_lists_fit_on_the_first_page(peer: Peer, wire: Wire, method: str) -> None:
    peer.declares(method.partition("/")[0])

    assert "nextCursor" not in await wire.result(method)
