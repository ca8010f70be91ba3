"""Every statement on the tables of people, browsers, clients and codes. (throttle.py has those on allowances.)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from mcp_gateway.api import Clock, Services, Unavailable

from .clients import Client, ClientMetadata, client_of
from .tables import clients, codes, cookies, users

MAX_CLIENTS = 10_000
MAX_KNOWN = 1000
UNUSED_CLIENT_LIFE = timedelta(days=1)
CLIENT_LIFE = timedelta(days=400)
USED_CODE_LIFE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who can sign in."""

    user_id: str
    name: str
    is_operator: bool
    created_at: datetime
    password_hash: str = field(repr=False)


_USER = (users.c.user_id, users.c.name, users.c.is_operator, users.c.created_at, users.c.password_hash)


class UserStore:
    """Keeps people."""

    def __init__(self, services: Services) -> None:
        self._db = services.db
        self._clock: Clock = services.clock

    async def add(self, user_id: str, name_key: str, name: str, password_hash: str, *, is_operator: bool) -> bool:
        """Add somebody; False when the name is taken."""
        values = {"user_id": user_id, "name_key": name_key, "name": name, "password_hash": password_hash}
        row = users.insert().values(**values, is_operator=is_operator, created_at=self._clock.now())
        try:
            async with self._db.transaction() as tx:
                await tx.execute(row)
        except IntegrityError:
            return False
        return True

    async def named(self, name_key: str) -> User | None:
        """The one of that name."""
        async with self._db.reading() as conn:
            row = (await conn.execute(select(*_USER).where(users.c.name_key == name_key))).one_or_none()
        return None if row is None else User(*row)

    async def get(self, user_id: str) -> User | None:
        """The one with that id."""
        async with self._db.reading() as conn:
            row = (await conn.execute(select(*_USER).where(users.c.user_id == user_id))).one_or_none()
        return None if row is None else User(*row)

    async def all(self) -> Sequence[User]:
        """Everybody, by name."""
        async with self._db.reading() as conn:
            return [User(*row) for row in await conn.execute(select(*_USER).order_by(users.c.name_key))]

    async def set_password(self, user_id: str, password_hash: str) -> None:
        """Change the password. Codes are void, and browsers have to sign in again."""
        async with self._db.transaction() as tx:
            await tx.execute(update(users).where(users.c.user_id == user_id).values(password_hash=password_hash))
            for table in (codes, cookies):
                await tx.execute(delete(table).where(table.c.user_id == user_id))

    async def renew_hash(self, user: User, password_hash: str) -> None:
        """Keep another hash of the same password; nothing happens where the password has changed meanwhile."""
        async with self._db.transaction() as tx:
            await tx.execute(update(users).where(_same(user)).values(password_hash=password_hash))

    async def erase(self, user_id: str) -> None:
        """Forget somebody, with what their browsers hold and their codes."""
        # The person first: who adds a cookie or code meanwhile holds that row, and what they added is then seen.
        async with self._db.transaction() as tx:
            for table in (users, codes, cookies):
                await tx.execute(delete(table).where(table.c.user_id == user_id))


class Cookie(NamedTuple):
    """What a browser holds, and for how long."""

    digest: bytes
    purpose: Literal["session", "device"]
    life: timedelta


class CookieStore:
    """Keeps what browsers hold."""

    def __init__(self, services: Services) -> None:
        self._db = services.db
        self._clock: Clock = services.clock

    async def add(self, user: User, *added: Cookie) -> bool:
        """Keep these for somebody; False when they are gone or have another password by now."""
        now = self._clock.now()
        rows = [
            {"digest": digest, "purpose": purpose, "user_id": user.user_id, "expires_at": now + life}
            for digest, purpose, life in added
        ]
        async with self._db.transaction() as tx:
            if not await _held_same(tx, user):
                return False
            await tx.execute(cookies.insert(), rows)
        return True

    async def user_of(self, digest: bytes, purpose: Literal["session", "device"]) -> User | None:
        """Whose it is; None when it is not kept, or has expired."""
        mine = and_(cookies.c.digest == digest, cookies.c.purpose == purpose, cookies.c.expires_at > self._clock.now())
        statement = select(*_USER).join_from(cookies, users, cookies.c.user_id == users.c.user_id).where(mine)
        async with self._db.reading() as conn:
            row = (await conn.execute(statement)).one_or_none()
        return None if row is None else User(*row)

    async def forget(self, digest: bytes) -> None:
        """Drop one."""
        async with self._db.transaction() as tx:
            await tx.execute(delete(cookies).where(cookies.c.digest == digest))


class ClientStore:
    """Keeps clients that registered themselves. Implements `ClientSource`."""

    def __init__(self, services: Services, max_clients: int = MAX_CLIENTS) -> None:
        self._db = services.db
        self._clock: Clock = services.clock
        self._max_clients = max_clients
        # Every refresh asks for its client. What is registered never changes; what is pruned was long unused.
        self._known: dict[str, Client] = {}

    async def add(self, client_id: str, details: ClientMetadata, secret_digest: bytes | None) -> None:
        """Keep one. Where there are too many, the oldest that nobody ever signed in with goes.

        Raises:
            Unavailable: All of them are used.
        """
        row = {"client_id": client_id, "secret_digest": secret_digest, "details": details.model_dump_json()}
        unused = select(clients.c.client_id).where(clients.c.used_at.is_(None)).order_by(clients.c.created_at).limit(1)
        async with self._db.transaction() as tx:
            if (await tx.execute(select(func.count()).select_from(clients))).scalar_one() >= self._max_clients:
                gone = await tx.execute(delete(clients).where(clients.c.client_id == unused.scalar_subquery()))
                if not gone.rowcount:
                    raise Unavailable("Too many clients have registered; try again later.", retry_after_seconds=3600)
            await tx.execute(clients.insert().values(**row, created_at=self._clock.now(), used_at=None))

    async def get(self, client_id: str) -> Client | None:
        """The client; None when it is not known."""
        return self._known.get(client_id) or await self._read(client_id)

    async def _read(self, client_id: str) -> Client | None:
        statement = select(clients.c.details, clients.c.secret_digest).where(clients.c.client_id == client_id)
        async with self._db.reading() as conn:
            row = (await conn.execute(statement)).one_or_none()
        if row is None:
            return None
        client = client_of(client_id, ClientMetadata.model_validate_json(row.details), row.secret_digest)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[client_id] = client
        return client

    async def used(self, client_id: str) -> None:
        """Note that it got tokens, so that it is kept."""
        mark = update(clients).where(clients.c.client_id == client_id).values(used_at=self._clock.now())
        async with self._db.transaction() as tx:
            await tx.execute(mark)

    async def prune(self) -> None:
        """Drop those that nobody ever signed in with, and those of long ago."""
        self._known.clear()
        now = self._clock.now()
        unused = and_(clients.c.used_at.is_(None), clients.c.created_at < now - UNUSED_CLIENT_LIFE)
        async with self._db.transaction() as tx:
            await tx.execute(delete(clients).where(unused))
            await tx.execute(delete(clients).where(clients.c.used_at < now - CLIENT_LIFE))


@dataclass(frozen=True, slots=True)
class KeptCode:
    """A code as it is kept: what was consented to, as JSON, and whether it has been used."""

    consent: str = field(repr=False)
    is_used: bool
    family_id: str | None


class CodeStore:
    """Keeps authorization codes."""

    def __init__(self, services: Services) -> None:
        self._db = services.db
        self._clock: Clock = services.clock

    async def add(self, digest: bytes, user: User, consent: str, life: timedelta) -> bool:
        """Keep one for so long; False when the person is gone or has another password by now."""
        row = {"digest": digest, "user_id": user.user_id, "consent": consent, "expires_at": self._clock.now() + life}
        async with self._db.transaction() as tx:
            if not await _held_same(tx, user):
                return False
            await tx.execute(codes.insert().values(**row, is_replayed=False))
        return True

    async def get(self, digest: bytes) -> KeptCode | None:
        """The code; None when there is none, or it has expired unused."""
        columns = (codes.c.consent, codes.c.redeemed_at, codes.c.family_id, codes.c.expires_at)
        async with self._db.reading() as conn:
            row = (await conn.execute(select(*columns).where(codes.c.digest == digest))).one_or_none()
        if row is None or (row.redeemed_at is None and row.expires_at <= self._clock.now()):
            return None
        return KeptCode(row.consent, row.redeemed_at is not None, row.family_id)

    async def redeem(self, digest: bytes) -> bool:
        """Use the code; False when somebody else has in this moment."""
        fresh = and_(codes.c.digest == digest, codes.c.redeemed_at.is_(None))
        async with self._db.transaction() as tx:
            marked = await tx.execute(update(codes).where(fresh).values(redeemed_at=self._clock.now()))
            return marked.rowcount > 0

    async def note_family(self, digest: bytes, family_id: str) -> bool:
        """Note what came of the code; False when it was replayed or made void meanwhile, so that nothing may."""
        mine = codes.c.digest == digest
        async with self._db.transaction() as tx:
            await tx.execute(update(codes).where(mine).values(family_id=family_id))
            replayed = (await tx.execute(select(codes.c.is_replayed).where(mine))).scalar_one_or_none()
        return replayed is False

    async def note_replay(self, digest: bytes) -> str | None:
        """Note that the code came again; the family that came of it, if that is known yet."""
        mine = codes.c.digest == digest
        async with self._db.transaction() as tx:
            await tx.execute(update(codes).where(mine).values(is_replayed=True))
            found: str | None = (await tx.execute(select(codes.c.family_id).where(mine))).scalar_one_or_none()
        return found

    async def prune(self) -> None:
        """Drop codes and cookies that no longer matter."""
        now = self._clock.now()
        async with self._db.transaction() as tx:
            await tx.execute(delete(codes).where(codes.c.expires_at < now - USED_CODE_LIFE))
            await tx.execute(delete(cookies).where(cookies.c.expires_at < now))


def _same(user: User) -> ColumnElement[bool]:
    return and_(users.c.user_id == user.user_id, users.c.password_hash == user.password_hash)


async def _held_same(tx: AsyncConnection, user: User) -> bool:
    """Whether somebody is there, with the same password; both stay so until the transaction ends."""
    row = select(users.c.user_id).where(_same(user)).with_for_update(read=True)
    return (await tx.execute(row)).one_or_none() is not None
