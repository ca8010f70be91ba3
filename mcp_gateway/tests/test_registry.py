"""The narrow waist: what every call of every face passes."""

import logging
from collections.abc import Sequence
from typing import Any, Literal

import anyio
import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mcp_gateway.arguments import from_text
from mcp_gateway.call import LOCAL, Call, Caller
from mcp_gateway.capability import Capability, Definition, NoParams, capability, prompt
from mcp_gateway.content import Content, Text
from mcp_gateway.errors import Conflict, Forbidden, InternalError, InvalidParams, NotFound, Unavailable
from mcp_gateway.registry import Registry

pytestmark = pytest.mark.anyio


class Filters(BaseModel):
    """Nested parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    year_from: int | None = None
    year_to: int | None = None

    @model_validator(mode="after")
    def _in_order(self) -> "Filters":
        if self.year_from and self.year_to and self.year_from > self.year_to:
            raise ValueError("must not end before it begins")
        return self


class FindParams(BaseModel):
    """Parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    query: str = Field(max_length=10)
    kind: Literal["movie", "series"] | None = None
    limit: int = Field(20, ge=1, le=100)
    filters: Filters = Filters()


class Found(BaseModel):
    """A result."""

    query: str
    limit: int
    year_from: int | None = None


async def find(params: FindParams, call: Call) -> Found:
    """Find."""
    return Found(query=params.query, limit=params.limit, year_from=params.filters.year_from)


def registry_of(*capabilities: Any, profile: str = "full", call_seconds: float = 30) -> Registry:
    registry = Registry(profile=profile, call_seconds=call_seconds)
    registry.add("example", capabilities)
    return registry


async def invoke(registry: Registry, name: str, arguments: dict[str, Any], caller: Caller = LOCAL) -> Any:
    return (await registry.invoke(registry.tool(name), arguments, Call(caller=caller))).value


async def test_a_valid_call_runs_and_leaves_out_what_is_none() -> None:
    registry = registry_of(capability("find_it", find))

    assert await invoke(registry, "find_it", {"query": "dune"}) == {"query": "dune", "limit": 20}


async def test_null_counts_as_absent() -> None:
    registry = registry_of(capability("find_it", find))

    answer = await invoke(registry, "find_it", {"query": "dune", "kind": None, "filters": {"year_from": None}})

    assert answer == {"query": "dune", "limit": 20}


@pytest.mark.parametrize(
    ("arguments", "field", "told"),
    [
        ({}, "query", "is required"),
        ({"query": 5}, "query", "must be of type string"),
        ({"query": "x", "limt": 5}, "limt", "did you mean 'limit'"),
        ({"query": "x", "limit": 500}, "limit", "must be at most 100"),
        ({"query": "x", "limit": "5"}, "limit", "must be of type integer"),
        ({"query": "x", "limit": True}, "limit", "must be of type integer"),
        ({"query": "x" * 11}, "query", "must have at most 10 characters"),
        ({"query": "x", "kind": "movi"}, "kind", "did you mean 'movie'"),
        ({"query": "x", "filters": {"year": 1}}, "filters.year", "did you mean 'year_to'"),
        ({"query": "x", "filters": {"year_from": "a"}}, "filters.year_from", "must be of type integer"),
        ({"query": "x", "filters": {"year_from": 2, "year_to": 1}}, "filters", "must not end before it begins"),
    ],
)
async def test_a_wrong_argument_is_named_with_what_is_allowed(arguments: Any, field: str, told: str) -> None:
    registry = registry_of(capability("find_it", find))

    with pytest.raises(InvalidParams) as caught:
        await invoke(registry, "find_it", arguments)

    assert caught.value.data["field"] == field
    assert told in caught.value.message


async def test_an_unknown_argument_is_told_the_allowed_names() -> None:
    registry = registry_of(capability("find_it", find))

    with pytest.raises(InvalidParams) as caught:
        await invoke(registry, "find_it", {"query": "x", "zzz": 1})

    assert caught.value.data["allowed"] == ["query", "kind", "limit", "filters"]


async def test_a_caller_without_the_scope_is_refused_before_anything_runs() -> None:
    ran = []

    async def write(params: NoParams, call: Call) -> Found:
        """Write."""
        ran.append(1)
        return Found(query="", limit=1)

    registry = registry_of(capability("write_it", write, scopes={"things:write"}, read_only=False))

    with pytest.raises(Forbidden) as caught:
        await invoke(registry, "write_it", {}, Caller("somebody", frozenset({"things:read"})))
    assert caught.value.data["required_scopes"] == ["things:write"]
    assert not ran

    await invoke(registry, "write_it", {}, Caller("somebody", frozenset({"things:write"})))
    assert ran


async def test_an_unexpected_failure_says_a_reference_and_logs_the_cause(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(params: NoParams, call: Call) -> Found:
        """Fail."""
        raise RuntimeError("password=hunter2 in /etc/secret")

    registry = registry_of(capability("fail_it", fail))

    with pytest.raises(InternalError) as caught:
        await invoke(registry, "fail_it", {})

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    record = next(r for r in caplog.records if r.message == "a call failed")
    assert record.reference == caught.value.data["reference"]  # type: ignore[attr-defined]  # set by extra=
    assert record.exc_info is not None


async def test_an_error_raised_on_purpose_comes_through() -> None:
    async def refuse(params: NoParams, call: Call) -> Found:
        """Refuse."""
        raise Conflict("already running")

    registry = registry_of(capability("refuse_it", refuse))

    with pytest.raises(Conflict, match="already running"):
        await invoke(registry, "refuse_it", {})


async def test_a_call_past_its_time_is_stopped_and_its_work_cancelled() -> None:
    cancelled = anyio.Event()

    async def hang(params: NoParams, call: Call) -> Found:
        """Hang."""
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.set()
        return Found(query="", limit=1)

    registry = registry_of(capability("hang_on", hang, timeout_seconds=0.01))

    with anyio.fail_after(5), pytest.raises(Unavailable, match=r"longer than 0\.01 seconds"):
        await invoke(registry, "hang_on", {})
    assert cancelled.is_set()


async def test_a_time_out_inside_a_handler_is_its_own_failure() -> None:
    async def slow(params: NoParams, call: Call) -> Found:
        """Time out inside."""
        raise TimeoutError

    registry = registry_of(capability("slow_one", slow))

    with pytest.raises(InternalError):
        await invoke(registry, "slow_one", {})


async def test_a_result_that_does_not_fit_its_schema_is_an_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    async def lie(params: NoParams, call: Call) -> Found:
        """Lie."""
        return Found.model_construct(query=None, limit="many")  # type: ignore[arg-type]  # wrong on purpose

    registry = registry_of(capability("lie_low", lie))

    with pytest.raises(InternalError), pytest.warns(UserWarning, match="serialized value"):
        await invoke(registry, "lie_low", {})
    assert "a result does not fit its schema" in caplog.messages


async def test_a_handler_may_return_content() -> None:
    async def say(params: NoParams, call: Call) -> Content:
        """Say."""
        return Content([Text("hello")])

    registry = registry_of(capability("say_it", say))

    outcome = await registry.invoke(registry.tool("say_it"), {}, Call())

    assert outcome.value is None
    assert outcome.content == Content([Text("hello")])


def test_profiles_choose_the_tools() -> None:
    capabilities = [
        capability("find_it", find),
        capability("hide_it", find, advanced=True),
        capability("never_a_tool", find, tool=False, uri="test://never{?query}"),
    ]

    def names(profile: str) -> list[str]:
        return [r.capability.name for r in registry_of(*capabilities, profile=profile).tools()]

    assert names("discovery") == ["find_it"]
    assert names("full") == ["find_it", "hide_it"]
    assert names("example") == ["find_it", "hide_it"]
    assert names("other") == []


def test_a_tool_outside_the_profile_is_not_found_and_the_nearest_is_named() -> None:
    registry = registry_of(
        capability("find_it", find), capability("find_all", find, advanced=True), profile="discovery"
    )

    with pytest.raises(NotFound) as caught:
        registry.tool("find_all")

    assert caught.value.data["nearest"] == ["find_it"]


def test_a_taken_name_uri_or_route_is_refused_and_nothing_of_it_is_registered() -> None:
    registry = registry_of(capability("find_it", find, uri="test://find{?query}", rest="GET /find"))
    clashes: Sequence[Capability] = [
        capability("find_it", find),
        capability("other", find, uri="test://find{?query}"),
        capability("another", find, rest="GET /find"),
    ]

    for clash in clashes:
        with pytest.raises(Definition, match="taken by plugin 'example'"):
            registry.add("late", [capability("fine", find), clash])
    assert [r.capability.name for r in registry.tools()] == ["find_it"]


def test_a_route_on_a_path_of_the_gateway_is_refused() -> None:
    with pytest.raises(Definition, match="belongs to the gateway"):
        registry_of(capability("find_it", find, rest="GET /mcp/find"))
    with pytest.raises(Definition, match="belongs to the gateway"):
        registry_of(Route("/healthz", lambda request: PlainTextResponse("mine")))


def test_a_taken_prompt_name_is_refused() -> None:
    async def ask(params: NoParams, call: Call) -> str:
        """Ask."""
        return "?"

    with pytest.raises(Definition, match="prompt 'ask_it' is taken"):
        registry_of(prompt("ask_it", ask), prompt("ask_it", ask))


def test_a_plugin_may_register_something_else_later() -> None:
    registry = registry_of(capability("find", find))
    registry.add("other", [capability("find_again", find)])

    registry.add("other", [capability("find_again", find), capability("find_more", find)])
    with pytest.raises(Definition, match="find"):
        registry.add("other", [capability("find", find)])

    assert [registered.capability.name for registered in registry.tools()] == ["find", "find_again", "find_more"]


class Patterned(BaseModel, extra="forbid", regex_engine="python-re"):
    """A parameter with a pattern that only Python knows."""

    name: str = Field(pattern=r"\Ax\Z")


async def find_pattern(params: Patterned, call: Call) -> Content:
    """Find it."""
    return Content([])


def test_a_schema_that_cannot_be_compiled_is_refused() -> None:
    with pytest.raises(Definition, match=r'find_pattern: .* is not a "regex"'):
        registry_of(capability("find_pattern", find_pattern))


def test_what_is_no_contribution_is_refused() -> None:
    with pytest.raises(Definition, match="yielded a str"):
        registry_of("find_it")


def test_every_change_grows_the_revision_and_tells_listeners() -> None:
    registry = registry_of(capability("find_it", find))
    heard: list[int] = []
    registry.on_change(lambda: heard.append(registry.revision))

    registry.add("more", [capability("more_of_it", find)])
    registry.remove("more")
    registry.remove("never there")

    assert heard == [2, 3]
    assert [r.capability.name for r in registry.tools()] == ["find_it"]


def test_uris_find_their_resource_and_carry_typed_arguments() -> None:
    registry = registry_of(
        capability("find_it", find, uri="test://find/{query}{?limit,kind}"),
        capability("about", find, uri="test://about", input_schema=None, tool=False),
    )

    registered, arguments = registry.resource_for("test://find/the%20matrix?limit=5&kind=movie&x=1")

    assert registered.capability.name == "find_it"
    assert arguments == {"query": "the matrix", "limit": 5, "kind": "movie"}
    assert registry.resource_for("test://about")[0].capability.name == "about"


def test_a_list_or_object_that_comes_as_json_text_is_read_as_such() -> None:
    schema = {"properties": {"ids": {"type": "array", "items": {"type": "string"}}, "filters": {"type": "object"}}}

    assert from_text(schema, {"ids": '["a", "b"]'}) == {"ids": ["a", "b"]}
    assert from_text(schema, {"ids": ["a", "b"]}) == {"ids": ["a", "b"]}
    assert from_text(schema, {"filters": ['{"year_from": 1990}']}) == {"filters": {"year_from": 1990}}
    assert from_text(schema, {"ids": "[broken"}) == {"ids": "[broken"}


@pytest.mark.parametrize(
    "uri",
    ["test://nope", "file:///etc/passwd", "test://find/..", "test://find/%2e%2e", "test://find/a%00b", "x", "",
     "test://find/" + "a" * 5000, "test://find/a/b", "test://find/%2e%2e%2fsecret"],
)  # fmt: skip
def test_other_uris_find_nothing(uri: str) -> None:
    """Checklist I11: traversal, other schemes, not a URI, very long."""
    registry = registry_of(capability("find_it", find, uri="test://find/{query}"))

    with pytest.raises(NotFound):
        registry.resource_for(uri)


async def test_completion_asks_the_completer_or_reads_the_schema() -> None:
    async def complete(value: str, call: Call) -> list[str]:
        return [f"{value}une"]

    built = capability("find_it", find, uri="test://find/{query}{?kind}", completions={"query": complete})
    registry = registry_of(built)
    target = registry.tool("find_it")

    assert await registry.complete(target, "query", "d", Call()) == ["dune"]
    assert await registry.complete(target, "kind", "s", Call()) == ["series"]
    assert await registry.complete(target, "limit", "s", Call()) == []
    with pytest.raises(InvalidParams, match="there is no argument 'nope'"):
        await registry.complete(target, "nope", "s", Call())


async def test_a_prompt_is_filled_and_its_arguments_are_checked() -> None:
    class AskParams(BaseModel):
        """Arguments."""

        model_config = ConfigDict(extra="forbid")
        mood: str

    async def ask(params: AskParams, call: Call) -> str:
        """Ask."""
        return f"Something {params.mood}"

    registry = registry_of(prompt("ask_it", ask))
    target = registry.prompt("ask_it")

    (message,) = await registry.get_prompt(target, {"mood": "{dark}"}, Call())

    assert message.content == Text("Something {dark}")
    with pytest.raises(InvalidParams, match="mood: is required"):
        await registry.get_prompt(target, {}, Call())
    with pytest.raises(InvalidParams, match="modo: is not an argument"):
        await registry.get_prompt(target, {"modo": "x"}, Call())


async def test_failures_are_logged_under_the_capabilitys_name(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(params: NoParams, call: Call) -> Found:
        """Fail."""
        raise KeyError("x")

    registry = registry_of(capability("fail_it", fail))

    with caplog.at_level(logging.ERROR), pytest.raises(InternalError):
        await invoke(registry, "fail_it", {})

    assert caplog.records[-1].capability == "fail_it"  # type: ignore[attr-defined]  # set by extra=
