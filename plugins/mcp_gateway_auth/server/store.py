"""Every statement on the tables of people, browsers, clients and codes. (throttle.py has those on allowances.)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.exc import IntegrityError

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

    async def set_password(self, user_id: str, password_hash: str, *, keep_cookies: bool = False) -> None:
        """Change the password; unless they are kept, browsers have to sign in again."""
        async with self._db.transaction() as tx:
            await tx.execute(update(users).where(users.c.user_id == user_id).values(password_hash=password_hash))
            if not keep_cookies:
                await tx.execute(delete(cookies).where(cookies.c.user_id == user_id))

    async def erase(self, user_id: str) -> None:
        """Forget somebody, with what their browsers hold and their codes."""
        async with self._db.transaction() as tx:
            for table in (cookies, codes, users):
                await tx.execute(delete(table).where(table.c.user_id == user_id))


class CookieStore:
    """Keeps what browsers hold."""

    def __init__(self, services: Services) -> None:
        self._db = services.db
        self._clock: Clock = services.clock

    async def add(self, digest: bytes, purpose: Literal["session", "device"], user_id: str, life: timedelta) -> None:
        """Keep one for so long."""
        row = {"digest": digest, "purpose": purpose, "user_id": user_id, "expires_at": self._clock.now() + life}
        async with self._db.transaction() as tx:
            await tx.execute(cookies.insert().values(**row))

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

    async def add(self, digest: bytes, user_id: str, consent: str, life: timedelta) -> None:
        """Keep one for so long."""
        row = {"digest": digest, "user_id": user_id, "consent": consent, "expires_at": self._clock.now() + life}
        async with self._db.transaction() as tx:
            await tx.execute(codes.insert().values(**row, is_replayed=False))

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
        """Note what came of the code; False when it was replayed meanwhile, so that nothing may."""
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
