"""The cache: one contract on both backends, and what each does besides."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.cache.cache import Cache
from mcp_gateway.cache.memory import MemoryCache
from mcp_gateway.cache.open import open_cache, prefixed
from mcp_gateway.clock import SystemClock
from mcp_gateway.errors import SettingsError, Unavailable
from mcp_gateway.tests.servers import RedisServer

pytestmark = pytest.mark.anyio


class TurnedClock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture(params=["memory", "redis", "prefixed"])
async def cache(request: pytest.FixtureRequest, clock: TurnedClock) -> AsyncIterator[Cache]:
    url = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    async with open_cache(url, clock=clock, max_entries=1000) as cache:
        yield prefixed(cache, "plugin:") if request.param == "prefixed" else cache


@pytest.fixture(params=["memory", "redis"])
async def passing(
    request: pytest.FixtureRequest, clock: TurnedClock
) -> AsyncIterator[tuple[Cache, Callable[[str], Awaitable[None]]]]:
    """A cache, and a way to wait until a key that lives half a second is gone."""
    url = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    async with open_cache(url, clock=clock, max_entries=1000) as cache:

        async def gone(key: str) -> None:
            clock.seconds += 0.5
            with anyio.fail_after(10):
                while await cache.get(key) is not None:
                    await anyio.lowlevel.checkpoint()

        yield cache, gone


async def test_what_was_set_is_got_until_it_is_replaced_or_deleted(cache: Cache) -> None:
    assert await cache.get("key") is None

    await cache.set("key", b"\x00one", ttl_seconds=60)
    assert await cache.get("key") == b"\x00one"

    await cache.set("key", b"", ttl_seconds=60)
    assert await cache.get("key") == b""

    await cache.delete("key")
    await cache.delete("key")
    assert await cache.get("key") is None


async def test_add_stores_only_when_the_key_is_absent(cache: Cache) -> None:
    assert await cache.add("seen:42", b"1", ttl_seconds=60)
    assert not await cache.add("seen:42", b"2", ttl_seconds=60)
    assert await cache.get("seen:42") == b"1"


async def test_a_counter_starts_at_zero_and_reads_as_a_number(cache: Cache) -> None:
    assert await cache.incr("hits", ttl_seconds=60) == 1
    assert await cache.incr("hits", 5, ttl_seconds=60) == 6
    assert await cache.incr("hits", -7, ttl_seconds=60) == -1
    assert await cache.get("hits") == b"-1"


async def test_counting_what_is_no_number_is_the_programs_fault(cache: Cache) -> None:
    await cache.set("word", b"word", ttl_seconds=60)

    with pytest.raises(ValueError):
        await cache.incr("word", ttl_seconds=60)


async def test_of_many_that_add_at_once_one_wins(cache: Cache) -> None:
    won: list[int] = []

    async def add(number: int) -> None:
        if await cache.add("leader", b"%d" % number, ttl_seconds=60):
            won.append(number)

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(add, number)

    assert len(won) == 1
    assert await cache.get("leader") == b"%d" % won[0]


async def test_no_count_is_lost_or_seen_twice(cache: Cache) -> None:
    seen: list[int] = []

    async def count() -> None:
        seen.extend([await cache.incr("hits", ttl_seconds=60) for _ in range(5)])

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(count)

    assert sorted(seen) == list(range(1, 501))


@pytest.mark.parametrize("ttl_seconds", [0, -1, float("inf"), float("nan"), 1e12])
async def test_every_entry_has_a_sensible_life(cache: Cache, ttl_seconds: float) -> None:
    for store in (cache.set, cache.add):
        with pytest.raises(ValueError):
            await store("key", b"", ttl_seconds=ttl_seconds)
    with pytest.raises(ValueError):
        await cache.incr("key", ttl_seconds=ttl_seconds)

    assert await cache.get("key") is None


async def test_a_cancelled_operation_does_not_mix_up_later_answers(cache: Cache) -> None:
    for number in range(20):
        await cache.set(f"key{number}", b"%d" % number, ttl_seconds=60)

    async def look(number: int) -> None:
        await cache.get(f"key{number}")

    for steps in range(12):
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(look, number)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    assert [await cache.get(f"key{number}") for number in range(20)] == [b"%d" % number for number in range(20)]


async def test_a_ping_is_answered(cache: Cache) -> None:
    await cache.ping()


async def test_an_entry_ends_with_its_life(passing: tuple[Cache, Callable[[str], Awaitable[None]]]) -> None:
    cache, gone = passing
    await cache.set("key", b"1", ttl_seconds=0.5)

    await gone("key")

    assert await cache.add("key", b"2", ttl_seconds=60)


async def test_counting_on_does_not_prolong_a_counter(passing: tuple[Cache, Callable[[str], Awaitable[None]]]) -> None:
    cache, gone = passing
    await cache.incr("hits", ttl_seconds=0.5)
    await cache.incr("hits", ttl_seconds=60)

    await gone("hits")

    assert await cache.incr("hits", ttl_seconds=60) == 1


async def test_prefixes_keep_plugins_apart(cache: Cache) -> None:
    one, other = prefixed(cache, "one:"), prefixed(cache, "other:")
    await one.set("key", b"1", ttl_seconds=60)

    assert await other.get("key") is None
    assert await cache.get("one:key") == b"1"
    await other.delete("key")
    assert await one.get("key") == b"1"


async def test_memory_forgets_the_least_recently_used_first(clock: TurnedClock) -> None:
    cache = MemoryCache(clock, max_entries=3)
    for key in ("a", "b", "c"):
        await cache.set(key, b"", ttl_seconds=60)
    await cache.get("a")

    await cache.set("d", b"", ttl_seconds=60)

    assert [key for key in "abcd" if await cache.get(key) is not None] == ["a", "c", "d"]


async def test_memory_drops_expired_entries_before_live_ones_and_without_being_asked(clock: TurnedClock) -> None:
    cache = MemoryCache(clock, max_entries=3)
    await cache.set("old", b"", ttl_seconds=60)
    await cache.set("brief", b"", ttl_seconds=1)
    await cache.set("new", b"", ttl_seconds=60)
    clock.seconds += 2

    await cache.set("newest", b"", ttl_seconds=60)

    assert len(cache) == 3
    assert await cache.get("old") == b""


async def test_memory_does_not_grow_when_a_key_is_written_again_and_again(clock: TurnedClock) -> None:
    cache = MemoryCache(clock, max_entries=10)

    for number in range(10_000):
        await cache.set(f"key{number % 5}", b"", ttl_seconds=60)

    assert len(cache) == 5
    assert len(cache._expiries) <= 2 * 5 + 101


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.floats(1, 50), st.floats(0, 20)),
        max_size=60,
    )
)
def test_memory_behaves_as_a_dictionary_with_deadlines(writes: list[tuple[str, float, float]]) -> None:
    async def check() -> None:
        clock, deadlines = TurnedClock(), dict[str, float]()
        cache = MemoryCache(clock, max_entries=10)
        for number, (key, ttl_seconds, pause) in zip(itertools.count(), writes, strict=False):
            await cache.set(key, b"%d" % number, ttl_seconds=ttl_seconds)
            deadlines[key] = clock.seconds + ttl_seconds
            clock.seconds += pause
            for known, deadline in deadlines.items():
                assert (await cache.get(known) is not None) == (deadline > clock.seconds)

    anyio.run(check)


async def test_redis_may_be_away_and_come_back(own_redis_server: RedisServer) -> None:
    async with open_cache(own_redis_server.url, clock=SystemClock()) as cache:
        await cache.set("key", b"1", ttl_seconds=60)
        await anyio.to_thread.run_sync(own_redis_server.stop)

        with pytest.raises(Unavailable, match="try again later"):
            await cache.get("key")
        with pytest.raises(Unavailable):
            await cache.ping()

        await anyio.to_thread.run_sync(own_redis_server.start)
        assert await cache.get("key") == b"1"


async def test_idle_connections_survive_a_restart_of_redis(own_redis_server: RedisServer) -> None:
    async with open_cache(own_redis_server.url, clock=SystemClock()) as cache:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(cache.ping)
        await anyio.to_thread.run_sync(own_redis_server.stop)
        await anyio.to_thread.run_sync(own_redis_server.start)

        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(cache.ping)


async def test_the_password_of_redis_is_never_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with RedisServer(password="hunter2") as server:
        async with open_cache(server.url, clock=SystemClock()) as cache:
            await cache.ping()
        async with open_cache(server.url.replace("hunter2", "hunter3"), clock=SystemClock()) as cache:
            with pytest.raises(Unavailable) as refused:
                await cache.ping()

    assert "hunter" not in caplog.text + str(refused.value) + str(caplog.records)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redsi://:hunter2@host", "begins with 'redsi'; use memory:// or redis://host:6379/0. Did you mean redis?"),
        ("memcached://host", "begins with 'memcached'"),
        ("redis://:hunter2@host:port/0", "is not as redis://"),
        ("", "begins with ''"),
    ],
)
async def test_a_url_that_names_no_cache_is_refused_without_its_password(url: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        async with open_cache(url, clock=SystemClock()):
            pass

    assert says in str(refused.value)
    assert "hunter2" not in str(refused.value)
