"""Resources, templates and subscriptions."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mcp_gateway.tests.wire import Wire
from protocol_tests.conformance.peers import Peer
from protocol_tests.conformance.shapes import base64_faults, resource_faults
from protocol_tests.requirements import requirement

pytestmark = pytest.mark.anyio

WATCHED = {"uri": "test://watched-resource"}


@requirement("I02", "I13", "I15")
async def test_resources_have_a_uri_and_a_name(peer: Peer, wire: Wire) -> None:
    peer.declares("resources")
    for resource in (await wire.result("resources/list"))["resources"]:
        scheme = resource["uri"].partition(":")[0]
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme), resource
        assert scheme not in {"http", "https"} or not peer.server.own
        assert isinstance(resource["name"], str)
        annotations = resource.get("annotations", {})
        assert 0 <= annotations.get("priority", 0) <= 1
        assert set(annotations.get("audience", ())) <= {"user", "assistant"}
        assert isinstance(resource.get("size", 0), int)


@requirement("I03", "I04", "I05")
async def test_every_listed_resource_can_be_read(peer: Peer, wire: Wire) -> None:
    peer.declares("resources")
    for uri in peer.offer.resources:
        answer = await wire.request("resources/read", {"uri": uri})
        if uri == "test://leak":
            continue
        contents = answer["result"]["contents"]
        assert contents
        assert [fault for item in contents for fault in resource_faults(item)] == []


@requirement("I04", "I05")
async def test_what_is_not_text_is_a_blob(peer: Peer, wire: Wire) -> None:
    peer.needs(resources=["test://static-binary"])
    (contents,) = (await wire.result("resources/read", {"uri": "test://static-binary"}))["contents"]

    assert base64_faults(contents["blob"]) == []
    assert "text" not in contents
    assert contents["mimeType"] == "image/png"


@requirement("I06")
async def test_a_uri_made_from_a_template_can_be_read(peer: Peer, wire: Wire) -> None:
    template = "test://template/{id}/data"
    peer.needs(resources=[template])
    for item in (await wire.result("resources/templates/list"))["resourceTemplates"]:
        assert isinstance(item["name"], str)
        assert "{" in item["uriTemplate"]
    (contents,) = (await wire.result("resources/read", {"uri": "test://template/123/data"}))["contents"]

    assert contents["uri"] == "test://template/123/data"
    assert "123" in contents["text"]


@requirement("I08", "P02", "B07")
async def test_subscribers_hear_of_changes_and_others_do_not(peer: Peer) -> None:
    peer.needs("touch", resources=[WATCHED["uri"]])
    if not peer.offer.capabilities["resources"].get("subscribe"):
        pytest.skip("the server does not declare subscriptions")
    async with peer.ready() as wire:
        await wire.call("touch")
        assert await wire.result("resources/subscribe", WATCHED) == {}
        await wire.call("touch")
        updated = await wire.until(lambda m: m.get("method") == "notifications/resources/updated")
        assert await wire.result("resources/unsubscribe", WATCHED) == {}
        await wire.call("touch")
        await wire.result("ping")

        assert updated["params"]["uri"] == WATCHED["uri"]
        assert len(wire.notifications("notifications/resources/updated")) == 1


@requirement("I08", "D07", "P02")
@pytest.mark.over("sse", "http")
async def test_a_subscription_is_its_sessions_own(peer: Peer) -> None:
    peer.needs("touch", resources=[WATCHED["uri"]])
    async with peer.ready() as one, peer.ready() as other:
        await one.result("resources/subscribe", WATCHED)
        await other.call("touch")
        await one.until(lambda m: m.get("method") == "notifications/resources/updated")
        await other.result("ping")

        assert other.notifications("notifications/resources/updated") == []


@requirement("I01", "B11")
async def test_subscriptions_are_served_only_if_declared(peer: Peer, wire: Wire) -> None:
    peer.declares("resources")
    uri = next(iter(peer.offer.resources), "test://watched-resource")
    answer = await wire.request("resources/subscribe", {"uri": uri})
    await wire.request("resources/unsubscribe", {"uri": uri})

    if peer.offer.capabilities["resources"].get("subscribe"):
        assert answer["result"] == {}
    else:
        assert answer["error"]["code"] == -32601


@requirement("I09")
@pytest.mark.parametrize("method", ["resources/read", "resources/subscribe"])
async def test_an_unknown_resource_is_named_in_the_error(peer: Peer, wire: Wire, method: str) -> None:
    peer.declares("resources")
    if method == "resources/subscribe" and not peer.offer.capabilities["resources"].get("subscribe"):
        pytest.skip("the server does not declare subscriptions")
    error = await wire.error(method, {"uri": "test://nonexistent-resource"})

    assert error["code"] == -32002
    if peer.server.own:
        assert error["data"]["uri"] == "test://nonexistent-resource"


@requirement("I11")
@pytest.mark.parametrize(
    "uri",
    [
        "test://template/../../etc/passwd/data",
        "test://template/..%2f..%2fetc%2fpasswd/data",
        "test://template/%2e%2e/data",
        "test://template/%00/data",
        "test://template/a%0d%0ab/data",
        "test://static-text/../../../etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1/",
        "not a uri",
        "",
        "test://template/" + "9" * 100_000 + "/data",
    ],
    ids=lambda uri: uri[:40],
)
async def test_a_hostile_uri_is_refused(peer: Peer, wire: Wire, uri: str) -> None:
    peer.declares("resources")
    error = await wire.error("resources/read", {"uri": uri})

    assert error["code"] in {-32002, -32602}
    assert "root:" not in str(wire.received)


@requirement("I10", "A19")
async def test_a_failing_resource_is_an_internal_error(peer: Peer, wire: Wire) -> None:
    peer.needs(resources=["test://leak"])
    answer: dict[str, Any] = await wire.error("resources/read", {"uri": "test://leak"})

    assert answer["code"] == -32603


@requirement("I07")
async def test_changes_of_the_resources_are_announced_if_declared(peer: Peer, wire: Wire) -> None:
    peer.needs("list_change")
    await wire.call("list_change")
    if peer.offer.capabilities["resources"].get("listChanged"):
        await wire.until(lambda m: m.get("method") == "notifications/resources/list_changed")
    await wire.result("ping")
