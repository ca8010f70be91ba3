"""People: who may sign in, kept by whoever runs the gateway. Implements `Users` of the public API."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from uuid import uuid4

from mcp_gateway.api import Conflict, InvalidParams, NotFound, UserEntry

from ..families.service import SignIns
from .passwords import Passwords, checked_password
from .store import User, UserStore

MAX_NAME_CHARS = 100


class People:
    """Adds, lists and removes people. Names are found whatever their case."""

    def __init__(self, store: UserStore, passwords: Passwords, sign_ins: SignIns) -> None:
        self._store = store
        self._passwords = passwords
        self._sign_ins = sign_ins

    async def add(self, name: str, password: str, *, is_operator: bool = False) -> UserEntry:
        """As `Users`."""
        key = key_of(checked_name(name))
        digest = await self._passwords.hash(checked_password(password, name))
        if not await self._store.add(str(uuid4()), key, name.strip(), digest, is_operator=is_operator):
            raise Conflict(f"There is somebody called {name!r} already.")
        return _entry(await self._named(name))

    async def list(self) -> Sequence[UserEntry]:
        """As `Users`."""
        return [_entry(user) for user in await self._store.all()]

    async def set_password(self, name: str, password: str) -> None:
        """As `Users`."""
        user = await self._named(name)
        digest = await self._passwords.hash(checked_password(password, user.name))
        await self._store.set_password(user.user_id, digest)
        for sign_in in await self._sign_ins.of_user(user.user_id):
            await self._sign_ins.revoke(sign_in.family_id, "password changed")

    async def erase(self, name: str) -> int:
        """As `Users`."""
        user = await self._named(name)
        # The name goes first, so that nobody begins a sign-in that is not ended.
        await self._store.erase(user.user_id)
        return await self._sign_ins.erase_user(user.user_id)

    async def _named(self, name: str) -> User:
        user = await self._store.named(key_of(name))
        if user is None:
            raise NotFound("user", name)
        return user


def checked_name(name: str) -> str:
    """A name somebody may have.

    Raises:
        InvalidParams: It is none.
    """
    if not name.strip() or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise InvalidParams("name", f"must have 1 to {MAX_NAME_CHARS} characters, all of them visible")
    return name


def key_of(name: str) -> str:
    """The name as it is looked up. Any text has one; what is too long is nobody's."""
    return (
        unicodedata.normalize("NFKC", name.strip()[: MAX_NAME_CHARS + 1]).casefold().encode("utf-8", "replace").decode()
    )


def _entry(user: User) -> UserEntry:
    return UserEntry(user.user_id, user.name, user.is_operator, user.created_at)
