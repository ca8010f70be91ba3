"""How often a caller may call."""

from datetime import UTC, datetime

import pytest

from mcp_gateway import limits
from mcp_gateway.call import Call, Caller
from mcp_gateway.capability import NoParams, capability, prompt
from mcp_gateway.content import Content, Text
from mcp_gateway.errors import RateLimited
from mcp_gateway.limits import RateLimit
from mcp_gateway.registry import Registry
from mcp_gateway.settings import LimitsSection, Settings


class HandClock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


def taken(limit: RateLimit, call: Call, attempts: int = 100, tool: str = "") -> int:
    """How many of so many calls are let through."""
    count = 0
    for _ in range(attempts):
        try:
            limit.take(call, tool)
        except RateLimited:
            break
        count += 1
    return count


def test_as_many_as_a_minute_may_hold_come_at_once_and_then_they_come_back() -> None:
    clock = HandClock()
    limit = RateLimit(LimitsSection(calls_per_minute=30, signed_in_calls_per_minute=30), clock)

    assert taken(limit, Call()) == 30
    clock.seconds += 10
    assert taken(limit, Call()) == 5
    clock.seconds += 3600
    assert taken(limit, Call()) == 30


def test_a_refusal_says_when_to_come_again_and_costs_nothing() -> None:
    clock = HandClock()
    limit = RateLimit(LimitsSection(calls_per_minute=6, signed_in_calls_per_minute=6), clock)
    taken(limit, Call())

    for _ in range(50):
        with pytest.raises(RateLimited) as refused:
            limit.take(Call())
    assert refused.value.data["retry_after_seconds"] == 10
    clock.seconds += 10.001
    limit.take(Call())


def test_sessions_count_apart_but_a_signed_in_caller_counts_once() -> None:
    limit = RateLimit(LimitsSection(calls_per_minute=5, signed_in_calls_per_minute=5), HandClock())
    ada = Caller("ada")

    assert taken(limit, Call(session_id="one")) == taken(limit, Call(session_id="two")) == 5
    assert taken(limit, Call(caller=ada, session_id="one")) == 5
    assert taken(limit, Call(caller=ada, session_id="two")) == 0


def test_a_tool_has_a_limit_of_its_own_for_each_who_signed_in() -> None:
    limit = RateLimit(LimitsSection(tool_calls_per_minute={"dear": 3}), HandClock())
    ada, bea = Call(caller=Caller("ada")), Call(caller=Caller("bea"))

    assert taken(limit, ada, tool="dear") == taken(limit, bea, tool="dear") == 3
    assert taken(limit, ada, tool="cheap") == 100
    assert taken(limit, Call(), tool="dear") == 100


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BUCKETS", 2)
    limit = RateLimit(LimitsSection(calls_per_minute=1, signed_in_calls_per_minute=1), HandClock())
    for session in ("one", "two", "three"):
        limit.take(Call(session_id=session))

    assert taken(limit, Call(session_id="three")) == 0
    assert taken(limit, Call(session_id="one")) == 1


@pytest.mark.anyio
async def test_tools_prompts_and_completions_count_together() -> None:
    async def speak(params: NoParams, call: Call) -> Content:
        """Say something."""
        return Content([Text("hello")])

    async def ask(params: NoParams, call: Call) -> str:
        """Ask something."""
        return "hello?"

    registry = Registry(
        rate_limit=RateLimit(LimitsSection(calls_per_minute=2, signed_in_calls_per_minute=2), HandClock())
    )
    registry.add("example", [capability("speak", speak), prompt("ask", ask)])
    await registry.invoke(registry.tool("speak"), {}, Call())
    await registry.get_prompt(registry.prompt("ask"), {}, Call())

    with pytest.raises(RateLimited):
        await registry.invoke(registry.tool("speak"), {}, Call())
    with pytest.raises(RateLimited):
        await registry.get_prompt(registry.prompt("ask"), {}, Call())
    with pytest.raises(RateLimited):
        await registry.complete(registry.tool("speak"), "x", "", Call())


def test_the_default_is_out_of_the_way_of_ordinary_use() -> None:
    assert Settings().limits.calls_per_minute == 600_000
