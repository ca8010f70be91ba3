"""Several gateways with one database, and stores that go away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest
from sqlalchemy import Connection, inspect, select

from mcp_gateway.tests.servers import PostgresServer, RedisServer
from mcp_gateway_auth.server.store import CodeStore
from mcp_gateway_auth.server.tables import codes, metadata
from mcp_gateway_auth.server.throttle import Allowance, Throttle
from mcp_gateway_auth.tests.server_world import PASSWORD, Person, World, signing_in
from mcp_gateway_auth.tests.test_server_dpop import Prover

pytestmark = pytest.mark.anyio

SECRET = "a secret that all instances share, of 32 bytes or more"


@asynccontextmanager
async def instances(folder: Path, database_url: str) -> AsyncIterator[tuple[World, World]]:
    """Two gateways that share a database and a secret."""
    sections = {"storage": {"url": database_url}, "pagination": {"cursor_secret": SECRET}}
    async with (
        signing_in(folder / "one", sections=sections) as one,
        signing_in(folder / "two", sections=sections, people=()) as two,
    ):
        yield one, two


async def test_what_one_instance_begins_another_ends(tmp_path: Path, database_url: str) -> None:
    """Registered at one, signed in at the other, redeemed, refreshed and replayed at either."""
    async with instances(tmp_path, database_url) as (one, two):
        client = await one.register()
        ask = client.ask()
        async with two.http() as http:
            code = (await Person(http).allow(ask)).params["code"]
        tokens = (await client.redeem(code, ask)).raise_for_status().json()
        client.world = two
        tokens = (await client.refresh(tokens["refresh_token"])).raise_for_status().json()
        client.world = one
        assert (await client.redeem(code, ask)).json()["error"] == "invalid_grant"
        client.world = two
        assert (await client.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_guesses_are_counted_over_all_instances(tmp_path: Path, database_url: str) -> None:
    async with instances(tmp_path, database_url) as (one, two):
        client = await one.register()
        answers = []
        for number in range(14):
            async with (one, two)[number % 2].http(f"198.51.100.{number}") as http:
                answers.append((await Person(http).sign_in(client.ask(), "Ada", "guess")).status_code)

    assert answers == [400] * 10 + [429] * 4


async def test_tries_at_the_same_moment_are_counted_one_by_one(tmp_path: Path, database_url: str) -> None:
    allowed: list[float | None] = []
    async with instances(tmp_path, database_url) as (one, two):
        throttles = [Throttle(one.services), Throttle(two.services)]

        async def spend(number: int) -> None:
            allowed.append(await throttles[number % 2].spend("key", Allowance(5, 60)))

        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(spend, number)
        one.clock.advance(61)
        later = [await throttles[0].spend("key", Allowance(5, 60)) for _ in range(2)]

    assert allowed.count(None) == 5
    assert all(seconds is None or 0 < seconds <= 60 for seconds in allowed)
    assert later[0] is None
    assert later[1] is not None


async def test_of_many_who_redeem_a_code_at_the_same_moment_one_does(tmp_path: Path, database_url: str) -> None:
    won: list[bool] = []
    async with instances(tmp_path, database_url) as (one, two):
        client = await one.register()
        async with one.http() as http:
            await Person(http).allow(client.ask())
        stores = [CodeStore(one.services), CodeStore(two.services)]
        (digest,) = await _digests(one)

        async def redeem(number: int) -> None:
            won.append(await stores[number % 2].redeem(digest))

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(redeem, number)

    assert won.count(True) == 1


async def test_who_is_erased_while_they_allow_a_client_leaves_no_code(tmp_path: Path, database_url: str) -> None:
    async with instances(tmp_path, database_url) as (one, two):
        client = await one.register()
        for number in range(8):
            name = f"Leaving {number}"
            await one.users.add(name, PASSWORD)
            async with two.http() as http:
                person = Person(http)
                page = await person.consent_page(client.ask(), name)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(partial(person.send, page, action="allow"))
                    tasks.start_soon(one.users.erase, name)

        assert await _digests(one) == []


async def test_a_nonce_of_one_instance_is_good_at_another(tmp_path: Path, database_url: str) -> None:
    async with instances(tmp_path, database_url) as (one, two):
        client = await one.register()
        prover = Prover(one)
        await prover.learn_nonce(client)
        client.world = two

        answer = await client.refresh("x", prover.proof())

    assert answer.json()["error"] == "invalid_grant"  # the proof is good, the token is none


async def test_where_sign_ins_cannot_be_looked_up_no_token_is_called_wrong(
    tmp_path: Path, own_redis_server: RedisServer
) -> None:
    """A client that hears `invalid_grant` throws its tokens away."""
    async with signing_in(tmp_path, families_url=own_redis_server.url) as world:
        client = await world.register()
        tokens = await client.sign_in()
        own_redis_server.stop()

        refreshed = await client.refresh(tokens["refresh_token"])
        revoked = await client.post("/revoke", token=tokens["refresh_token"])

    assert (refreshed.status_code, refreshed.json()["error"]) == (503, "temporarily_unavailable")
    assert int(refreshed.headers["retry-after"]) >= 1
    assert revoked.status_code == 503


async def test_where_the_database_is_away_people_and_clients_are_told_to_try_again(
    tmp_path: Path, own_postgres_server: PostgresServer
) -> None:
    """Neither an error of ours, nor a verdict on anything that was shown."""
    sections = {"storage": {"url": own_postgres_server.create_database(), "busy_seconds": 1}}
    async with signing_in(tmp_path, sections=sections) as world:
        client = await world.register()
        tokens = await client.sign_in()
        async with world.http() as http:
            page = await Person(http).open(client.ask())
            own_postgres_server.stop()
            answers = [
                await Person(http).open(client.ask()),
                await Person(http).send(page, action="sign-in", name="Ada", password=PASSWORD),
                await client.refresh(tokens["refresh_token"]),
                await client.post("/revoke", token=tokens["refresh_token"]),
                await http.post("/register", json={"redirect_uris": ["http://127.0.0.1/callback"]}),
            ]

    assert [answer.status_code for answer in answers] == [503] * 5
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers)


async def test_people_are_added_once_whatever_their_case(tmp_path: Path, database_url: str) -> None:
    async with instances(tmp_path, database_url) as (one, two):
        await two.users.add("Émile", PASSWORD)
        names = [user.name for user in await one.users.list()]
        async with one.http() as http:
            client = await one.register()
            done = await Person(http).sign_in(client.ask(), "E\u0301MILE ")

    assert names == ["Ada", "Émile"]
    assert done.status_code == 303


async def _digests(world: World) -> list[bytes]:
    async with world.services.db.reading() as conn:
        return [bytes(row.digest) for row in await conn.execute(select(codes.c.digest))]


async def test_the_migrations_make_the_tables_that_the_code_expects(tmp_path: Path, database_url: str) -> None:
    async with instances(tmp_path, database_url) as (one, _), one.services.db.reading() as conn:
        found = await conn.run_sync(_columns_and_indexes)

    assert found == {
        table.name: (
            {(column.name, bool(column.nullable)) for column in table.columns},
            {index.name for index in table.indexes},
        )
        for table in metadata.sorted_tables
    }


def _columns_and_indexes(connection: Connection) -> dict[str, tuple[set[tuple[str, bool]], set[str | None]]]:
    inspector = inspect(connection)
    return {
        name: (
            {(column["name"], column["nullable"]) for column in inspector.get_columns(name)},
            {index["name"] for index in inspector.get_indexes(name) if not index["unique"]},
        )
        for name in metadata.tables
    }
