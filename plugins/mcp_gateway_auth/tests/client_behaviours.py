"""What clients and thieves do with refresh tokens, as models: a day of theirs against whatever rule a server follows.

Access tokens live for five minutes. Every model returns the second at which the sign-in was ended, None if never.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Protocol

ACCESS_SECONDS, HOUR, DAY = 300, 3600, 86_400
RACE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Given:
    """What a server answers to a refresh."""

    refresh_token: str
    access_token: str


class Server(Protocol):
    """A server on which one sign-in was begun. Times are seconds since then, and only grow."""

    first: str

    async def refresh(self, token: str, at: float) -> Given | None:
        """The answer; None when the sign-in has ended."""
        ...

    async def use(self, access_token: str, at: float) -> None:
        """Open something."""
        ...


Behaviour = Callable[[Server, Random], Awaitable[float | None]]


async def two_processes(server: Server, random: Random) -> float | None:
    """They share what is saved; at three refreshes of ten both have read the old token when they ask."""
    token, at = server.first, 0.0
    while (at := _when_due(at, random)) < DAY:
        answer = await _refresh_and_use(server, token, at)
        if answer and random.random() < 0.3:
            at += random.uniform(0, RACE_SECONDS)
            answer = await _refresh_and_use(server, token, at)
        if answer is None:
            return at
        token = answer.refresh_token
    return None


async def lost_answers(server: Server, random: Random) -> float | None:
    """Two of a hundred answers never arrive. Half of those are asked for again at once, half after hours of sleep."""
    token, at = server.first, 0.0
    while (at := _when_due(at, random)) < DAY:
        answer = await server.refresh(token, at)
        while answer and random.random() < 0.02:
            at += 1 if random.random() < 0.5 else random.uniform(1, 8) * HOUR
            answer = await server.refresh(token, at)
        if answer is None:
            return at
        await server.use(answer.access_token, at)
        token = answer.refresh_token
    return None


async def two_addresses(server: Server, random: Random) -> float | None:
    """A cloud sends every refresh twice, by two ways out; the answers come in any order, and the last one is kept."""
    token, at = server.first, 0.0
    while (at := _when_due(at, random)) < DAY:
        one = await _refresh_and_use(server, token, at)
        at += random.uniform(0, RACE_SECONDS)
        other = await _refresh_and_use(server, token, at)
        if one is None or other is None:
            return at
        token = random.choice([one, other]).refresh_token
    return None


async def never_saves(server: Server, random: Random) -> float | None:
    """It presents its first refresh token for ever."""
    at = 0.0
    while (at := _when_due(at, random)) < DAY:
        if await _refresh_and_use(server, server.first, at) is None:
            return at
    return None


@dataclass(frozen=True, slots=True)
class Theft:
    """What became of a theft, in seconds since it.

    Attributes:
        found: When the sign-in was ended; None: never within a day.
        due: When it must have been: one life of an access token after the victim's next refresh.
        in_step: Thief and victim asked within ten seconds of one another then, as racing processes do.
    """

    found: float | None
    due: float
    in_step: bool


async def theft(server: Server, random: Random, *, pace: float) -> Theft:
    """Somebody copies the token file and goes on with it, refreshing every `pace` seconds."""
    token, at = server.first, 0.0
    for _ in range(random.randint(1, 5)):
        at = _when_due(at, random)
        answer = await _refresh_and_use(server, token, at)
        assert answer
        token = answer.refresh_token
    stolen_at = random.uniform(at, at + ACCESS_SECONDS)
    held = {"victim": token, "thief": token}
    due_at = {"victim": _when_due(at, random), "thief": stolen_at + random.uniform(0, pace)}
    outcome = Theft(None, due_at["victim"] + ACCESS_SECONDS - stolen_at, abs(due_at["victim"] - due_at["thief"]) <= 10)
    while min(due_at.values()) < stolen_at + DAY:
        who = min(due_at, key=lambda each: due_at[each])
        answer = await _refresh_and_use(server, held[who], due_at[who])
        if answer is None:
            return Theft(due_at[who] - stolen_at, outcome.due, outcome.in_step)
        held[who] = answer.refresh_token
        due_at[who] += (pace if who == "thief" else ACCESS_SECONDS) + random.expovariate(1 / 10)
    return outcome


CLIENTS: Mapping[str, Behaviour] = {
    "two processes, 30 % of refreshes race": two_processes,
    "2 % lost answers, half asked for again after hours": lost_answers,
    "every refresh sent by two addresses": two_addresses,
    "never saves the new token": never_saves,
}

THIEVES = {"thief at the same pace": ACCESS_SECONDS, "thief twice as often": ACCESS_SECONDS / 2}


def luck(number: int) -> Random:
    """The same day again for the same number."""
    return Random(number)  # noqa: S311 - a model of clients; no secret is drawn from it


def _when_due(at: float, random: Random) -> float:
    """When a client refreshes next: with its first call after the access token has expired."""
    return at + ACCESS_SECONDS + random.expovariate(1 / 10)


async def _refresh_and_use(server: Server, token: str, at: float) -> Given | None:
    answer = await server.refresh(token, at)
    if answer:
        await server.use(answer.access_token, at)
    return answer
