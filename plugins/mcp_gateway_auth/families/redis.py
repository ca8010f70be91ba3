"""Families in Redis: `token_family:{id}`, the Set of the active JTIs, and `token_family:{id}:meta`, a hash.

Redis has the state, which changes all the time; the register in the database has what must not be lost: that a sign-in
exists, and that it has ended. A family that only one of the two knows is refused.

What a crash or a failover leaves between the two is mended when the family is next used, and by `tend` at the latest.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from mcp_gateway.api import Clock, Services
from mcp_gateway.catalog.events import SignInRevoked

from . import lua
from .errors import StoreUnavailable
from .machine import MAX_ACCESS_TOKENS, REPLAY_MS, AccessRecord, Family, Presented, Verdict
from .models import Grant
from .register import Register, grant_of
from .times import milliseconds

log = logging.getLogger(__name__)

ANSWER_SECONDS = 2
MAX_CONNECTIONS = 32
MENDED_AT_ONCE = 1000
FAILOVER_MS = 600_000
"""What ended so lately is ended in Redis again, in case it failed over and lost that."""
SETTLED_MS = 60_000
"""A sign-in that began later may still be on its way to Redis."""

_NUMBERS = ("begun_ms", "ends_ms", "idle_ms", "generation", "minted_ms")
_BOOLEANS = ("rotates", "confirmed")


class RedisFamilies:
    """See `FamilyStore`."""

    def __init__(self, client: Redis, services: Services) -> None:
        self._redis = client
        self._register = Register(services)
        self._clock = services.clock
        self._ended = EndedLately(services.clock)
        self._begin = client.register_script(lua.BEGIN)
        self._present = client.register_script(lua.PRESENT)
        self._accept = client.register_script(lua.ACCEPT)
        self._end = client.register_script(lua.END)
        self._mended_to = ""

    async def begin(self, grant: Grant, family: Family) -> None:
        """Keep a new family. A crash in between leaves a row in the register, which `tend` takes away."""
        await self._register.add(grant, family, None)
        await self._run(self._begin, family.family_id, *begin_arguments(family))

    async def present(self, family_id: str, token: Presented) -> tuple[Verdict, Family | None]:
        """Apply the rule: one call of Redis, after a look whether the register says that the sign-in has ended."""
        if self._ended.has(family_id) or not await self._register.is_open(family_id):
            return Verdict.OVER, None
        made_of = (token.refresh_jti, token.access_jti, token.key, token.scopes, token.access_ms)
        answer = await self._run(
            self._present, family_id, token.now_ms, token.jti, *made_of, REPLAY_MS, MAX_ACCESS_TOKENS
        )
        verdict, family = Verdict(answer[0].decode()), _family(family_id, answer[1])
        if family and family.ended:  # just now, or by somebody who was killed before he could say so
            await self.end(family_id, family.ended, token.now_ms)
        return verdict, family

    async def accept(self, family_id: str, jti: str, now_ms: int) -> bool:
        """Whether an access token is good."""
        if self._ended.has(family_id):
            return False
        return bool(await self._run(self._accept, family_id, now_ms, jti))

    async def look(self, family_id: str) -> Family | None:
        """The family as it is."""
        if not await self._register.is_open(family_id):
            return None
        with _telling():
            found: Any = await self._redis.hgetall(_keys(family_id)[1])
        return _family(family_id, found)

    async def end(self, family_id: str, reason: str, now_ms: int) -> bool:
        """End it: first in the register, with its event, then in Redis."""
        ended = await self._register.end(family_id, reason, now_ms)
        self._ended.add(family_id)
        await self._run(self._end, family_id, reason)
        return ended

    async def of_user(self, user_id: str) -> Sequence[tuple[Grant, Family]]:
        """The families of a person."""
        rows = await self._register.of_user(user_id)
        found = await self._pipelined("HGETALL", [row.family_id for row in rows])
        pairs = [(grant_of(row.granted), _family(row.family_id, each)) for row, each in zip(rows, found, strict=True)]
        return [(grant, family) for grant, family in pairs if family and not family.ended]

    async def erase_user(self, user_id: str, now_ms: int) -> int:
        """End and forget, in Redis too."""
        family_ids, ended = await self._register.erase_user(user_id, now_ms)
        for family_id in family_ids:
            self._ended.add(family_id)
            with _telling():
                await self._redis.delete(*_keys(family_id))
        return ended

    async def now_ms(self) -> int | None:
        """Redis's time."""
        with _telling():
            seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    async def tend(self, now_ms: int) -> None:
        """Make Redis and the register agree, a thousand sign-ins at a time, and forget what is over."""
        for family_id in await self._register.ended_since(now_ms - FAILOVER_MS):
            await self._run(self._end, family_id, "ended")
        await self._mend(now_ms)
        await self._register.clear(now_ms)

    async def hear(self, event: SignInRevoked) -> None:
        """Another instance ended a family: should Redis lose that, it stays ended here."""
        self._ended.add(event.family_id)

    async def recall(self) -> None:
        """At the start: what ended while this instance did not listen."""
        ended = await self._register.ended_since(milliseconds(self._clock.now()) - EndedLately.SECONDS * 1000)
        for family_id in ended:
            self._ended.add(family_id)

    async def _mend(self, now_ms: int) -> None:
        family_ids = await self._register.open_after(
            self._mended_to, begun_before_ms=now_ms - SETTLED_MS, limit=MENDED_AT_ONCE
        )
        self._mended_to = family_ids[-1] if len(family_ids) == MENDED_AT_ONCE else ""
        found = await self._pipelined("HGET", family_ids, "ended")
        gone = [family_id for family_id, ended in zip(family_ids, found, strict=True) if ended is None]
        for family_id, ended in zip(family_ids, found, strict=True):
            if ended:
                await self._register.end(family_id, ended.decode(), now_ms)
        await self._register.forget(gone)

    async def _pipelined(self, command: str, family_ids: Sequence[str], *arguments: str) -> list[Any]:
        with _telling():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for family_id in family_ids:
                    pipeline.execute_command(command, _keys(family_id)[1], *arguments)
                return await pipeline.execute()

    async def _run(self, script: Any, family_id: str, *arguments: str | int) -> Any:
        """One EVALSHA; a script that Redis has forgotten is sent again."""
        with _telling():
            return await script(keys=_keys(family_id), args=arguments)


class EndedLately:
    """Families that ended within the last while, whatever Redis says: it may have failed over and lost that."""

    SECONDS = 3600

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def add(self, family_id: str) -> None:
        """It has ended. No access token lives longer than it is remembered."""
        now = self._clock.monotonic()
        self._until[family_id] = now + self.SECONDS
        while (oldest := next(iter(self._until))) and self._until[oldest] < now:
            del self._until[oldest]

    def has(self, family_id: str) -> bool:
        """Whether it ended lately."""
        return family_id in self._until


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[Redis]:
    """A client for `redis://` or `rediss://`. Connects when first used.

    Raises:
        ValueError: The URL names no Redis.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=ANSWER_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        protocol=2,
        # Every script may be run twice: a rotation whose answer was lost gives the same successor.
        retry=Retry(NoBackoff(), 1),
    )
    client = Redis.from_pool(pool)
    try:
        yield client
    finally:
        await client.aclose()


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        log.warning("token families unavailable", extra={"cause": f"{type(error).__name__}: {error}"})
        raise StoreUnavailable from error


def _keys(family_id: str) -> list[str]:
    return [f"token_family:{{{family_id}}}", f"token_family:{{{family_id}}}:meta"]


def begin_arguments(family: Family) -> list[str | int]:
    """What the script that keeps a new family is given."""
    fields = [part for pair in _encoded(family).items() for part in pair]
    return [family.good_until_ms - family.minted_ms, family.refresh_jti, family.access[0].jti, *fields]


def _encoded(family: Family) -> dict[str, str | int]:
    fields = {name: getattr(family, name) for name in Family.__slots__ if name != "family_id"}
    fields |= {name: int(fields[name]) for name in _BOOLEANS}
    records = (f"{each.jti},{each.generation},{each.minted_ms},{each.ends_ms};" for each in family.access)
    return {**fields, "access": "".join(records)}


def _family(family_id: str, answer: Any) -> Family | None:
    """A family from its hash: a dictionary, or names and values in turn as a script returns them."""
    pairs = answer.items() if isinstance(answer, dict) else zip(answer[::2], answer[1::2], strict=True)
    fields: dict[str, Any] = {name.decode(): value.decode() for name, value in pairs}
    if not fields:
        return None
    fields |= {name: int(fields[name]) for name in _NUMBERS}
    fields |= {name: fields[name] == "1" for name in _BOOLEANS}
    lines = [line.split(",") for line in fields["access"].split(";") if line]
    access = tuple(AccessRecord(jti, *map(int, numbers)) for jti, *numbers in lines)
    return Family(family_id, **{**fields, "access": access})
