"""The people, opened when somebody asks for them: `media-gateway user` works before sign-in is turned on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio

from mcp_gateway.api import Services, UserEntry

from ..settings import AuthSettings

if TYPE_CHECKING:
    from ..families.opening import Opened
    from .people import People


class PeopleOnDemand:
    """Implements `Users`.

    Args:
        stack: Closes what was opened.
    """

    def __init__(self, services: Services, settings: AuthSettings, stack: AsyncExitStack) -> None:
        self._services = services
        self._settings = settings
        self._stack = stack
        self._opened: Opened | None = None
        self._opening = anyio.Lock()

    async def sign_ins(self) -> Opened:
        """The sign-ins and the keys, opened once."""
        from ..families.opening import open_sign_ins

        async with self._opening:
            if self._opened is None:
                issuer = self._settings.issuer or self._services.address
                opening = open_sign_ins(self._services, self._settings, issuer)
                self._opened = await self._stack.enter_async_context(opening)
            return self._opened

    async def name_of(self, user_id: str) -> str | None:
        """The name of a person."""
        from .store import UserStore

        user = await UserStore(self._services).get(user_id)
        return None if user is None else user.name

    async def name_of_client(self, client_id: str) -> str:
        """The name of a client; its id when it has none, or is gone."""
        from .store import ClientStore

        client = await ClientStore(self._services).get(client_id)
        return client_id if client is None else client.name

    async def add(self, name: str, password: str, *, is_operator: bool = False) -> UserEntry:
        """As `Users`."""
        return await (await self._people()).add(name, password, is_operator=is_operator)

    async def list(self) -> Sequence[UserEntry]:
        """As `Users`."""
        return await (await self._people()).list()

    async def set_password(self, name: str, password: str) -> None:
        """As `Users`."""
        await (await self._people()).set_password(name, password)

    async def erase(self, name: str) -> int:
        """As `Users`."""
        return await (await self._people()).erase(name)

    async def _people(self) -> People:
        from .passwords import Passwords
        from .people import People
        from .store import UserStore

        return People(UserStore(self._services), Passwords(), (await self.sign_ins()).sign_ins)
