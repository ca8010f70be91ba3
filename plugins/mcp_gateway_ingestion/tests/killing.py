"""Ends a coroutine at the n-th place where it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any

import pytest
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from mcp_gateway.storage import engine


class KilledAt:
    """Runs a coroutine and ends it at its n-th await: with `kill`, and without by raising CancelledError there.

    Args:
        spare: While it says so, it is not ended: in the next place where it may be.

    Attributes:
        killed: Whether it was ended.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, Any],
        at: int,
        *,
        kill: Callable[[], None] | None = None,
        spare: Callable[[], bool] = lambda: False,
    ) -> None:
        self._awaits = 0
        self.killed = False
        self._work = work
        self._at = at
        self._kill = kill
        self._spare = spare

    async def run(self) -> None:
        """Run it. Raises CancelledError when it was ended so."""
        await self

    def __await__(self) -> Generator[Any, Any, None]:
        inner = self._work.__await__()
        step: Callable[[], Any] = partial(inner.send, None)
        while True:
            try:
                waits_for = step()
            except StopIteration:
                return
            self._awaits += 1
            if self._awaits >= self._at and not self.killed and not self._spare():
                self.killed = True
                if self._kill is None:
                    if waits_for is not None:  # as a task that is cancelled does: nobody would read what comes of it
                        waits_for.cancel()
                    step = partial(inner.throw, asyncio.CancelledError())
                    continue
                self._kill()
            try:
                sent = yield waits_for
            except BaseException as error:
                step = partial(inner.throw, error)
            else:
                step = partial(inner.send, sent)


class Shielded:
    """Whether a connection is being given back, in place of `mcp_gateway.storage.engine._give_back`."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._depth = 0
        give_back = engine._give_back

        async def counted(connection: AsyncConnection) -> None:
            self._depth += 1
            try:
                await give_back(connection)
            finally:
                self._depth -= 1

        patch.setattr(engine, "_give_back", counted)

    def __call__(self) -> bool:
        """Whether it is so now."""
        return self._depth > 0
