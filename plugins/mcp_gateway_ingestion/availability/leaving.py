"""The prompt `what_is_leaving`."""

from __future__ import annotations

from pydantic import Field

from mcp_gateway.api import Call

from .desk import region_of
from .models import Params


class WhatIsLeavingParams(Params):
    """What to look at."""

    region: str = Field(max_length=2, description="Your country, e.g. US.")
    platform: str | None = Field(None, max_length=40, description="One streaming service, by its key.")


async def what_is_leaving(params: WhatIsLeavingParams, call: Call) -> str:
    """What leaves your streaming services soon, and what of it is worth watching first."""
    region = region_of(params.region)
    where = f"the platform {params.platform}" if params.platform else "the streaming platforms"
    given = f'region "{region}"' + (f' and platform "{params.platform}"' if params.platform else "")
    return (
        f"What leaves {where} in {region} within the next 30 days? Call list_expiring_titles with {given}. "
        "Of the titles it lists, look up the ten that seem most worth watching with get_titles (detailed). "
        "Then recommend up to five to watch before they go, the most urgent first: for each its name and year, the day "
        "it leaves and where, how long it runs, and in one sentence why it is worth the evening. "
        "Say which region this is for, and pass on what the answer's note and sources say of how complete it is: "
        "a title that is not listed may leave all the same where no source is up to date."
    )
