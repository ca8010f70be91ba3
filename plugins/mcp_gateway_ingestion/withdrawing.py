"""Takes back what an import said of offers: a list that was given to the wrong platform, or without its country."""

from __future__ import annotations

from collections.abc import Sequence

from mcp_gateway.api import InvalidParams, Withdrawal
from mcp_gateway.catalog.store import Catalog


async def withdraw(
    catalog: Catalog, source: str, *, platform: str | None, region: str | None, dry_run: bool
) -> Sequence[Withdrawal]:
    """Take offers away, see `Importers.withdraw`."""
    standing = await catalog.offers_by_source()
    theirs = [told for told in standing if told.source == source]
    if not theirs:
        sources = sorted({told.source for told in standing})
        raise InvalidParams("source", f"{source[:100]!r} has no offers in the catalogue", allowed=sources)
    chosen = [
        told for told in theirs if platform in {None, told.platform} and (region is None or region == told.region)
    ]
    if not chosen:
        places = sorted({f"{told.platform} in {told.region or 'no known country'}" for told in theirs})
        raise InvalidParams("platform", f"{source[:100]!r} has no such offers", allowed=places)
    return [
        Withdrawal(told.platform, told.region, told.offers if dry_run else await catalog.withdraw_offers(told))
        for told in chosen
    ]
