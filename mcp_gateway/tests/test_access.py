"""With a plugin that signs people in: who gets in over HTTP, what is whose, and what ends with a sign-in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mcp_gateway.api import Call, Caller, NoParams, PublicRoute, Unauthenticated, Unavailable, capability
from mcp_gateway.errors import SettingsError
from mcp_gateway.settings import HttpSection, Settings
from mcp_gateway.tests.small_gateway import Said, SmallGateway
from mcp_gateway.tests.test_http import Session
from mcp_gateway.tests.test_streamable_http import enveloped
from mcp_gateway.tests.wire import SseWire, listening, sse_session
from mcp_gateway.transports.http import serve_http

pytestmark = pytest.mark.anyio

ABOUT = 'Bearer resource_metadata="https://gateway.example/about"'
READ = frozenset({"things:read"})
PEOPLE = {
    "of-ann": Caller("ann", READ, sign_in="ann-1"),
    "of-ann-too": Caller("ann", READ | {"things:write"}, sign_in="ann-2"),
    "of-ben": Caller("ben", READ, sign_in="ben-1"),
}


class Doorman:
    """Implements `Authenticator` with three tokens."""

    def __init__(self) -> None:
        self.listeners: list[Callable[[str], None]] = []
        self.away = False

    async def authenticate(self, request: Request) -> Caller:
        if self.away:
            raise Unavailable("Nobody can tell now.", retry_after_seconds=3)
        caller = PEOPLE.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if caller is None:
            raise Unauthenticated(headers={"WWW-Authenticate": ABOUT})
        return caller

    def challenge(self, request: Request, scopes: Collection[str]) -> str:
        return f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'

    def on_end(self, listener: Callable[[str], None]) -> None:
        self.listeners.append(listener)

    def end(self, sign_in: str) -> None:
        for listener in self.listeners:
            listener(sign_in)


async def who(params: NoParams, call: Call) -> Said:
    """Says who asks."""
    return Said(text=call.caller.id)


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"hello {request.scope['caller'].id}")


def guarded() -> tuple[SmallGateway, Doorman]:
    doorman = Doorman()
    things = [
        capability("who", who, scopes=READ, uri="things://who", rest="GET /api/v1/who"),
        capability("change", who, read_only=False, scopes={"things:write"}, rest="POST /api/v1/change"),
        PublicRoute(Route("/hello", page)),
        Route("/private", page),
    ]
    gateway = SmallGateway(extra=things)
    gateway.authenticator = doorman
    return gateway, doorman


@asynccontextmanager
async def door() -> AsyncIterator[tuple[httpx.AsyncClient, Doorman]]:
    gateway, doorman = guarded()
    async with listening(gateway) as http:
        yield http, doorman


def signed(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def told(response: httpx.Response) -> Any:
    """What a call of `who` says."""
    return said(response.json()["result"])


def said(result: Any) -> Any:
    return json.loads(result["content"][0]["text"])["text"]


def calling(tool: str, request_id: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": {"name": tool, "arguments": {}}}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/mcp"),
        ("GET", "/mcp"),
        ("DELETE", "/mcp"),
        ("GET", "/sse"),
        ("POST", "/messages?session_id=x"),
        ("GET", "/api/v1/who"),
        ("POST", "/api/v1/change"),
        ("GET", "/openapi.json"),
        ("GET", "/private"),
        ("GET", "/nothing"),
        ("GET", "/hello/../private"),
        ("GET", "/healthz/"),
    ],
)
async def test_nobody_gets_in_unasked_and_everybody_is_told_how(method: str, path: str) -> None:
    async with door() as (http, _):
        for headers in ({}, signed("of-nobody")):
            response = await http.request(method, path, headers=headers)

            assert response.status_code == 401
            assert response.headers["www-authenticate"] == ABOUT
            assert response.headers["content-type"] == "application/problem+json"


async def test_public_is_what_watches_over_the_gateway_and_what_a_plugin_says_is() -> None:
    async with door() as (http, _):
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/readyz")).json() == {"status": "ok"}
        assert (await http.get("/hello")).text == "hello "
        assert (await http.get("/hello", headers=signed("of-ben"))).text == "hello ben"


async def test_when_nobody_can_tell_the_client_is_to_come_again_and_is_not_logged_out() -> None:
    async with door() as (http, doorman):
        doorman.away = True
        response = await http.get("/api/v1/who", headers=signed("of-ann"))

        assert response.status_code == 503
        assert response.headers["retry-after"] == "3"
        assert (await http.get("/healthz")).status_code == 200


async def test_every_face_knows_who_asks() -> None:
    async with door() as (http, _):
        http.headers.update(signed("of-ann"))
        assert (await http.get("/api/v1/who")).json() == {"text": "ann"}

        session = Session(http, "2025-11-25")
        await session.initialize()
        assert told(await http.post("/mcp", json=calling("who"), headers=session.headers)) == "ann"
        assert told(await http.post("/mcp", **enveloped("who"))) == "ann"

        async with sse_session(http) as wire:
            await wire.initialize()
            assert said(await wire.call("who")) == "ann"
            await wire.send([calling("who", 71), calling("who", 72)])
            await wire.until_received(3)
            assert {said(answer["result"]) for answer in wire.received[-1]} == {"ann"}


async def test_who_has_too_few_rights_hears_which_it_takes() -> None:
    step_up = 'Bearer error="insufficient_scope", scope="things:write"'
    async with door() as (http, _):
        http.headers.update(signed("of-ann"))
        session = Session(http, "2025-11-25")
        await session.initialize()
        refused = [
            await http.post("/api/v1/change", json={}),
            await http.post("/mcp", json=calling("change"), headers=session.headers),
            await http.post("/mcp", **enveloped("change")),
        ]
        for response in refused:
            assert response.status_code == 403
            assert response.headers["www-authenticate"] == step_up
        assert refused[1].json()["error"]["data"]["required_scopes"] == ["things:write"]

        http.headers.update(signed("of-ann-too"))
        allowed = await http.post("/mcp", json=calling("change"), headers=session.headers)
        assert told(allowed) == "ann"


async def test_a_batch_gives_no_more_rights_than_its_sender_has() -> None:
    async with door() as (http, _):
        http.headers.update(signed("of-ann"))
        session = Session(http, "2025-03-26")
        await session.initialize()
        answer = await http.post("/mcp", json=[calling("change", 5), calling("who", 6)], headers=session.headers)
        by_id = {member["id"]: member["result"] for member in answer.json()}

        assert by_id[5]["isError"]
        assert said(by_id[6]) == "ann"


async def test_a_session_of_somebody_else_is_not_told_from_none() -> None:
    async with door() as (http, _):
        session = Session(http, "2025-11-25")
        http.headers.update(signed("of-ann"))
        await session.initialize()
        as_ben = {**session.headers, **signed("of-ben")}
        never = {**as_ben, "mcp-session-id": "never"}
        for method in ("POST", "GET", "DELETE"):
            body = calling("who") if method == "POST" else None
            of_ann = await http.request(method, "/mcp", headers=as_ben, json=body)
            of_nobody = await http.request(method, "/mcp", headers=never, json=body)
            assert of_ann.status_code == of_nobody.status_code == 404
            assert of_ann.content == of_nobody.content
        assert told(await http.post("/mcp", json=calling("who"), headers=session.headers)) == "ann"

        async with sse_session(http) as wire:
            await wire.initialize()
            assert isinstance(wire, SseWire)
            stolen = await http.post(wire.endpoint, json=calling("who"), headers=signed("of-ben"))
            assert stolen.status_code == 404


async def test_a_subscription_takes_the_right_to_read() -> None:
    async with door() as (http, _):
        PEOPLE["of-cid"] = Caller("cid", frozenset(), sign_in="cid-1")
        http.headers.update(signed("of-cid"))
        session = Session(http, "2025-11-25")
        await session.initialize()
        subscribe = {"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": "things://who"}}

        assert (await http.post("/mcp", json=subscribe, headers=session.headers)).status_code == 403
        in_batch = await http.post("/mcp", json=[subscribe], headers={**session.headers})
        assert "result" not in json.dumps(in_batch.json())


async def test_with_a_sign_in_ends_what_it_has_open_and_nothing_else() -> None:
    async with (
        door() as (http, doorman),
        client_of("of-ann", http) as as_ann,
        client_of("of-ben", http) as as_ben,
        sse_session(as_ann) as ann,
        sse_session(as_ben) as ben,
    ):
        await ann.initialize()
        await ben.initialize()
        doorman.end("ann-1")
        with anyio.fail_after(10):
            await ann.until_ended()

        assert said(await ben.call("who")) == "ben"


async def test_a_call_in_progress_ends_with_its_sign_in() -> None:
    gateway, doorman = guarded()
    async with listening(gateway) as http, anyio.create_task_group() as tasks:

        async def call() -> None:
            response = await http.post("/mcp", **enveloped("wait"), timeout=30)
            assert response.status_code == 401

        http.headers.update(signed("of-ann"))
        tasks.start_soon(call)
        with anyio.fail_after(10):
            while not gateway.running:  # noqa: ASYNC110 — the server runs as it will
                await anyio.sleep(0.001)
        doorman.end("ann-1")
    assert gateway.running == 0


async def test_what_became_a_task_ends_with_its_sign_in_and_is_nobody_elses() -> None:
    gateway, doorman = guarded()
    going_on = anyio.Event()

    async def go_on(params: NoParams, call: Call) -> Said:
        """Takes long."""
        await call.detach()
        try:
            await anyio.sleep_forever()
        finally:
            going_on.set()
        return Said(text="never")

    gateway.registry.add("tasks", [capability("go_on", go_on, scopes=READ)])
    tasks: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    async with listening(gateway) as http:
        begun = enveloped("go_on")
        begun["json"]["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = tasks
        begun["headers"] |= signed("of-ann")
        task_id = (await http.post("/mcp", **begun)).json()["result"]["taskId"]

        for other in ("of-ben", "of-ann-too"):
            meta = begun["json"]["params"]["_meta"]
            get = {"jsonrpc": "2.0", "id": 2, "method": "tasks/get", "params": {"taskId": task_id, "_meta": meta}}
            headers = {**begun["headers"], "mcp-method": "tasks/get", "mcp-name": task_id, **signed(other)}
            assert "no such task" in (await http.post("/mcp", json=get, headers=headers)).text

        doorman.end("ann-1")
        with anyio.fail_after(10):
            await going_on.wait()


async def test_what_a_user_answered_is_not_taken_from_somebody_else() -> None:
    async with door() as (http, _):
        asked = enveloped("ask_user")
        asked["json"]["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = {"elicitation": {"form": {}}}
        first = await http.post("/mcp", json=asked["json"], headers={**asked["headers"], **signed("of-ann")})
        required = first.json()["result"]
        assert required["resultType"] == "input_required"
        answers = {key: {"action": "decline"} for key in required["inputRequests"]}
        asked["json"]["params"] |= {"requestState": required["requestState"], "inputResponses": answers}

        stolen = await http.post("/mcp", json=asked["json"], headers={**asked["headers"], **signed("of-ben")})
        own = await http.post("/mcp", json=asked["json"], headers={**asked["headers"], **signed("of-ann")})

    assert stolen.json()["error"]["code"] == -32602
    assert "result" in own.json()


async def test_listening_takes_the_right_to_read() -> None:
    async with door() as (http, _):
        PEOPLE["of-cid"] = Caller("cid", frozenset(), sign_in="cid-1")
        listen = enveloped("x")
        listen["json"] |= {"method": "subscriptions/listen"}
        listen["json"]["params"] = {
            "notifications": {"resourceSubscriptions": ["things://who"]},
            "_meta": listen["json"]["params"]["_meta"],
        }
        listen["headers"] |= {"mcp-method": "subscriptions/listen", **signed("of-cid")}
        answer = await http.post("/mcp", **listen)

    assert answer.json()["error"]["data"]["required_scopes"] == ["things:read"]


async def test_arguments_that_nest_too_deeply_are_the_callers_fault() -> None:
    async with door() as (http, _):
        nested: Any = "x"
        for _level in range(900):
            nested = {"a": nested}
        asked = enveloped("search")
        asked["json"]["params"]["arguments"] = {"query": "x", "region": nested}
        answer = await http.post("/mcp", json=asked["json"], headers={**asked["headers"], **signed("of-ann")})

    assert "internal" not in answer.text.lower()


async def test_an_address_that_others_reach_is_listened_on_when_they_have_to_sign_in() -> None:
    gateway, _ = guarded()
    gateway.settings = Settings(http=HttpSection(host="0.0.0.0", port=0))  # noqa: S104 — which is what this is about
    heard = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: serve_http(gateway, on_listening=lambda _: heard.set()))
        with anyio.fail_after(10):
            await heard.wait()
        gateway.shutdown.begin()

    gateway.authenticator = None
    with pytest.raises(SettingsError, match="sign in"):
        await serve_http(gateway, on_listening=lambda _: None)


def client_of(token: str, http: httpx.AsyncClient) -> httpx.AsyncClient:
    """Another client of the same address."""
    return httpx.AsyncClient(base_url=http.base_url, headers=signed(token), timeout=30)
