"""A gateway process that is killed at the worst moment: after the rotation, before the answer.

python -m mcp_gateway_auth.tests.refresh_process STORAGE_URL FAMILIES_URL DATA_DIR SECONDS_LATER REFRESH_TOKEN
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import anyio

from mcp_gateway_auth.families.tokens import Tokens
from mcp_gateway_auth.tests.families_world import CLIENT, Urls, open_world


async def main(*arguments: str) -> None:
    """Refresh; there is no answer."""
    storage, families, data_dir, later, token = arguments

    async def killed(*_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)

    Tokens.pair = killed  # type: ignore[method-assign]
    async with open_world(Urls(storage, families), Path(data_dir)) as world:
        world.clock.advance(float(later))
        await world.sign_ins.refresh(token, client_id=CLIENT)


if __name__ == "__main__":
    anyio.run(main, *sys.argv[1:])
