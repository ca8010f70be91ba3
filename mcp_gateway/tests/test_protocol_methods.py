"""What the methods answer, over stdio and over SSE. Ids name lines of the requirements."""

from base64 import b64decode
from typing import Any

import anyio
import pytest

from mcp_gateway.call import LOG_LEVELS, Call
from mcp_gateway.capability import NoParams, capability
from mcp_gateway.protocol.subscriptions import MAX_SUBSCRIPTIONS, Subscriptions
from mcp_gateway.settings import McpSection, Settings
from mcp_gateway.tests.conftest import Talk
from mcp_gateway.tests.small_gateway import SECRET, Said, SmallGateway
from mcp_gateway.tests.wire import Wire, over_pipes

pytestmark = pytest.mark.anyio


async def test_an_old_client_sees_of_a_tool_only_what_it_knows(wire: Wire) -> None:
    """B08, H02."""
    tools = (await wire.result("tools/list"))["tools"]

    assert [tool["name"] for tool in tools] == sorted(tool["name"] for tool in tools)
    assert all(tool.keys() == {"name", "description", "inputSchema"} for tool in tools)
    assert all(tool["inputSchema"]["type"] == "object" for tool in tools)


@pytest.mark.parametrize(
    ("version", "more"),
    [
        ("2025-03-26", {"annotations"}),
        ("2025-06-18", {"annotations", "title", "outputSchema"}),
        ("2025-11-25", {"annotations", "title", "outputSchema"}),
    ],
)
async def test_a_newer_client_sees_more(talk: Talk, version: str, more: set[str]) -> None:
    """B08."""
    async with talk.open() as wire:
        await wire.initialize(version)
        (echo,) = [tool for tool in (await wire.result("tools/list"))["tools"] if tool["name"] == "echo"]
        called = await wire.call("echo", {"text": "hi"})

    assert echo.keys() == {"name", "description", "inputSchema", *more}
    assert echo["annotations"].items() >= {"readOnlyHint": True, "destructiveHint": False}.items()
    assert called.get("structuredContent") == ({"text": "hi"} if version >= "2025-06-18" else None)


async def test_a_tool_answers_with_compact_json_in_utf_8(wire: Wire) -> None:
    """C01, C04, H04."""
    result = await wire.call("echo", {"text": "Ä\n𝄞e\u0301"})

    assert result == {"content": [{"type": "text", "text": '{"text":"Ä\\n𝄞é"}'.replace("é", "e\u0301")}]}


async def test_arguments_may_be_absent(talk: Talk, wire: Wire) -> None:
    """H12."""
    talk.gateway.gate.set()

    assert "isError" not in await wire.result("tools/call", {"name": "wait"})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [({}, "text: is required"), ({"text": 5}, "text: must be"), ({"text": "a", "tetx": 1}, "tetx: is not a parameter")],
)
async def test_wrong_arguments_are_told_to_the_model(wire: Wire, arguments: Any, told: str) -> None:
    """H06."""
    result = await wire.call("echo", arguments)

    assert result["isError"] is True
    assert told in result["content"][0]["text"]


async def test_an_unknown_tool_is_the_clients_error_and_names_the_nearest(wire: Wire) -> None:
    """H05."""
    error = await wire.error("tools/call", {"name": "ecko"})

    assert error["code"] == -32602
    assert "echo" in error["message"]


async def test_a_failure_of_a_tool_is_a_result_with_its_reason(wire: Wire) -> None:
    """H07."""
    result = await wire.call("refuse")

    assert result["isError"] is True
    text = result["content"][0]["text"]
    assert text == '{"error":"It is already over.","reason":"conflict","state":"over"}'


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "crash"}),
        ("resources/read", {"uri": "example://broken"}),
        ("prompts/get", {"name": "failing"}),
    ],
)
async def test_an_accident_gives_away_nothing(wire: Wire, method: str, params: Any) -> None:
    """A19, H10, I10, J08, K08."""
    answer = await wire.request(method, params)

    assert SECRET not in str(wire.received)
    if method == "tools/call":
        assert "Internal error; reference" in answer["result"]["content"][0]["text"]
    else:
        assert answer["error"]["code"] == -32603


async def test_kinds_of_content_that_a_client_does_not_know_become_text(talk: Talk) -> None:
    """B08, H11, H13."""
    kinds = {}
    for version in ("2024-11-05", "2025-03-26", "2025-06-18"):
        async with talk.open() as wire:
            await wire.initialize(version)
            blocks = (await wire.call("show"))["content"]
            kinds[version] = [block["type"] for block in blocks]
            assert b64decode(blocks[1]["data"], validate=True) == b"\x89PNG"

    assert kinds["2024-11-05"] == ["text", "image", "text", "resource", "text"]
    assert kinds["2025-03-26"] == ["text", "image", "audio", "resource", "text"]
    assert kinds["2025-06-18"] == ["text", "image", "audio", "resource", "resource_link"]


async def test_what_a_tool_prints_does_not_reach_the_protocol(wire: Wire) -> None:
    """C02."""
    assert "isError" not in await wire.call("print_it")


async def test_every_listed_resource_can_be_read_or_says_why_not(wire: Wire) -> None:
    """I02, I03, I04, I05."""
    listed = (await wire.result("resources/list"))["resources"]
    picture = await wire.result("resources/read", {"uri": "example://picture"})
    items = await wire.result("resources/read", {"uri": "example://items"})

    assert [resource["uri"] for resource in listed] == ["example://broken", "example://items", "example://picture"]
    assert all(resource.keys() <= {"uri", "name", "description", "mimeType"} for resource in listed)
    assert b64decode(picture["contents"][0]["blob"], validate=True) == b"\x89PNG\xff"
    assert items["contents"][0]["mimeType"] == "application/json"
    assert items["contents"][0]["text"].startswith('{"asked":')


async def test_a_uri_made_from_a_template_can_be_read(wire: Wire) -> None:
    """I06."""
    (template,) = (await wire.result("resources/templates/list"))["resourceTemplates"]
    assert template["uriTemplate"] == "example://items/{id}"

    read = await wire.result("resources/read", {"uri": "example://items/2"})

    assert read["contents"] == [
        {"uri": "example://items/2", "mimeType": "application/json", "text": '{"id":"2","name":"Item 2"}'}
    ]


@pytest.mark.parametrize("method", ["resources/read", "resources/subscribe"])
@pytest.mark.parametrize(
    "uri", ["example://nothing", "x", "", "example://items/..%2f..%2fetc", "example://items/%00", "file:///etc/passwd"]
)
async def test_an_unknown_resource_is_named_in_the_error(wire: Wire, method: str, uri: str) -> None:
    """I09, I11."""
    error = await wire.error(method, {"uri": uri})

    assert error["code"] == -32002
    assert error["data"]["uri"] == uri


async def test_a_resource_whose_item_is_missing_is_not_found(wire: Wire) -> None:
    """I09, and very long ones: I11."""
    assert (await wire.error("resources/read", {"uri": "example://items/9"}))["code"] == -32002
    assert (await wire.error("resources/read", {"uri": "example://items/" + "9" * 9000}))["code"] == -32602


async def test_subscribers_hear_of_changes_until_they_unsubscribe(talk: Talk, wire: Wire) -> None:
    """I08, D07: of what they subscribed to, and only while they do."""
    uri = {"uri": "example://items/1"}
    talk.gateway.resources.changed("example://items/1")
    assert await wire.result("resources/subscribe", uri) == {}
    talk.gateway.resources.changed("example://items/2")
    await anyio.to_thread.run_sync(talk.gateway.resources.changed, "example://items/1")

    await wire.until(lambda m: m.get("method") == "notifications/resources/updated")
    assert await wire.result("resources/unsubscribe", uri) == {}
    talk.gateway.resources.changed("example://items/1")
    assert await wire.result("ping") == {}
    assert [n["params"] for n in wire.notifications("notifications/resources/updated")] == [uri]


async def test_a_change_of_what_is_registered_is_announced_once_for_each_list(talk: Talk, wire: Wire) -> None:
    """H03, I07, J10."""

    async def added(params: NoParams, call: Call) -> Said:
        """A new tool."""
        return Said(text="new")

    before = await wire.result("tools/list")
    talk.gateway.registry.add("later", [capability("added", added)])

    await wire.until(lambda m: m.get("method") == "notifications/prompts/list_changed")
    for kind in ("tools", "resources", "prompts"):
        assert len(wire.notifications(f"notifications/{kind}/list_changed")) == 1
    after = await wire.result("tools/list")
    talk.gateway.registry.remove("later")
    assert len(after["tools"]) == len(before["tools"]) + 1


async def test_prompts_are_listed_and_filled_in(wire: Wire) -> None:
    """J02, J03, J09: what stands in an argument stays plain text."""
    (_, greet) = (await wire.result("prompts/list"))["prompts"]
    filled = await wire.result("prompts/get", {"name": "greet", "arguments": {"name": "{mood} <b>"}})

    assert greet["arguments"] == [
        {"name": "name", "description": "Who.", "required": True},
        {"name": "mood", "description": "How.", "required": False},
    ]
    text = "Greet {mood} <b>, who is happy."
    assert filled["messages"] == [{"role": "user", "content": {"type": "text", "text": text}}]


@pytest.mark.parametrize(
    "params", [{"name": "nope"}, {"name": "greet"}, {"name": "greet", "arguments": {"name": "a", "x": "b"}}]
)
async def test_an_unknown_prompt_and_wrong_arguments_are_refused(wire: Wire, params: Any) -> None:
    """J06, J07."""
    assert (await wire.error("prompts/get", params))["code"] == -32602


@pytest.mark.parametrize(
    "ref",
    [
        {"type": "ref/prompt", "name": "greet"},
        {"type": "ref/resource", "uri": "example://items/{id}"},
        {"type": "ref/resource", "uri": "example://items/1"},
    ],
)
async def test_completion_gives_at_most_a_hundred_values(wire: Wire, ref: Any) -> None:
    """L01, L02, L03, L04."""
    name = "name" if ref["type"] == "ref/prompt" else "id"

    many = await wire.result("completion/complete", {"ref": ref, "argument": {"name": name, "value": ""}})
    few = await wire.result("completion/complete", {"ref": ref, "argument": {"name": name, "value": "value-01"}})

    assert len(many["completion"]["values"]) == 100
    assert (many["completion"]["total"], many["completion"]["hasMore"]) == (150, True)
    assert few["completion"]["values"] == [f"value-01{digit}" for digit in range(10)]
    assert few["completion"]["hasMore"] is False


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"ref": {"type": "ref/prompt", "name": "nope"}, "argument": {"name": "name", "value": ""}},
        {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "nope", "value": ""}},
        {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "name"}},
        {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "name", "value": 5}},
        {"ref": {"type": "ref/tool", "name": "echo"}, "argument": {"name": "text", "value": ""}},
        {"ref": {"type": "ref/resource", "uri": "example://nope/{x}"}, "argument": {"name": "x", "value": ""}},
        {"ref": "greet", "argument": "name"},
    ],
)
async def test_completion_refuses_what_it_does_not_know(wire: Wire, params: Any) -> None:
    """L05."""
    assert (await wire.error("completion/complete", params))["code"] == -32602


@pytest.mark.parametrize("level", LOG_LEVELS)
async def test_a_client_gets_log_messages_of_its_level_and_above(wire: Wire, level: str) -> None:
    """K02, K05."""
    assert await wire.result("logging/setLevel", {"level": level}) == {}
    await wire.call("chatter")

    messages = [n["params"] for n in wire.notifications("notifications/message")]
    assert [message["level"] for message in messages] == list(LOG_LEVELS[LOG_LEVELS.index(level) :])
    assert messages[-1] == {"level": "emergency", "logger": "example", "data": {"said": "emergency"}}


@pytest.mark.parametrize("params", [{"level": "verbose"}, {"level": "INFO"}, {"level": 5}, {}])
async def test_an_unknown_level_is_refused(wire: Wire, params: Any) -> None:
    """K03."""
    assert (await wire.error("logging/setLevel", params))["code"] == -32602


async def test_log_messages_are_not_a_flood(wire: Wire) -> None:
    """K07."""
    await wire.result("logging/setLevel", {"level": "debug"})
    for _ in range(60):
        await wire.call("chatter")

    assert 200 <= len(wire.notifications("notifications/message")) < 480


@pytest.mark.parametrize(
    ("method", "member", "key"),
    [
        ("tools/list", "tools", "name"),
        ("resources/list", "resources", "uri"),
        ("prompts/list", "prompts", "name"),
    ],
)
async def test_pages_hold_every_item_once(method: str, member: str, key: str) -> None:
    """M01, M02, M03: and the same cursor gives the same page again."""
    gateway = SmallGateway(Settings(mcp=McpSection(page_size=1)))
    async with over_pipes(gateway) as wire:
        await wire.initialize()
        page, seen = await wire.result(method), []
        while True:
            seen += [item[key] for item in page[member]]
            if "nextCursor" not in page:
                break
            cursor = {"cursor": page["nextCursor"]}
            page = await wire.result(method, cursor)
            assert await wire.result(method, cursor) == page

    assert seen == sorted(set(seen))
    assert len(seen) > 1


@pytest.mark.parametrize("cursor", ["bogus", "", "-1", 5, {}, "of another list", "altered"])
async def test_a_cursor_that_was_not_issued_for_the_list_is_refused(cursor: Any) -> None:
    """M04."""
    gateway = SmallGateway(Settings(mcp=McpSection(page_size=1)))
    async with over_pipes(gateway) as wire:
        await wire.initialize()
        if cursor == "of another list":
            cursor = (await wire.result("prompts/list"))["nextCursor"]
        elif cursor == "altered":
            issued = (await wire.result("tools/list"))["nextCursor"]
            cursor = issued[:-2] + ("AA" if issued[-2:] != "AA" else "BB")

        assert (await wire.error("tools/list", {"cursor": cursor}))["code"] == -32602


async def test_subscriptions_of_one_client_are_bounded_and_forgotten_when_it_leaves() -> None:
    """B19, E03."""
    gateway = SmallGateway()
    async with over_pipes(gateway) as wire:
        await wire.initialize()
        for number in range(MAX_SUBSCRIPTIONS):
            await wire.post("resources/subscribe", {"uri": f"example://items/{number}"})
        error = await wire.error("resources/subscribe", {"uri": "example://items/more"})

    assert error["code"] == -32000
    assert subscribers(gateway.resources) == 0


def subscribers(hub: Subscriptions) -> int:
    return len(hub._uris) + len(hub._by_uri)
