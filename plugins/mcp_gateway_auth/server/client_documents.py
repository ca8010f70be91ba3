"""Client-id metadata documents: a client whose id is the address of a document in which it describes itself."""

from __future__ import annotations

import logging

import orjson

from mcp_gateway.api import Clock, Services, Unavailable

from .clients import Client, ClientMetadata, client_of, parsed
from .guarded_fetch import GuardedFetch, NotFetched, Unreachable, checked
from .oauth import OAuthError
from .throttle import Allowance, Throttle

log = logging.getLogger(__name__)

# A document is asked for again no sooner than the first, and no later than the second.
SHORTEST_SECONDS = 60
LONGEST_SECONDS = 24 * 3600
USUAL_SECONDS = 3600
# So long an old one does, when it cannot be asked for: a client must not lose its sign-ins because its site is down.
STALE_SECONDS = 7 * 24 * 3600

# Anybody can make this server ask another one; but not often.
PER_HOST = Allowance(burst=10, seconds_each=10)
EVERYWHERE = Allowance(burst=600, seconds_each=0.1)


class ClientDocuments:
    """Implements `ClientSource` for clients that publish a document."""

    def __init__(self, services: Services, throttle: Throttle, fetch: GuardedFetch) -> None:
        self._cache = services.cache
        self._clock: Clock = services.clock
        self._throttle = throttle
        self._fetch = fetch

    async def get(self, client_id: str) -> Client | None:
        """The client, from the cache or its server; None when there is no such document, or it cannot be used.

        Raises:
            Unavailable: The document cannot be had at the moment.
        """
        try:
            host = checked_client_id(client_id)
            return client_of(client_id, await self._details(client_id, host), host=host)
        except NotFetched as error:
            log.info("a client's document was not fetched", extra={"client": client_id, "cause": str(error)})
            if isinstance(error, Unreachable):
                raise Unavailable("The app's description of itself cannot be had; try again.") from None
        except OAuthError as error:
            log.info("a client's document cannot be used", extra={"client": client_id, "cause": error.description})
        return None

    async def _details(self, client_id: str, host: str) -> ClientMetadata:
        kept = await self._cache.get(f"document:{client_id}")
        fresh_until, _, old = (kept or b"0\n").partition(b"\n")
        if self._clock.now().timestamp() < float(fresh_until):
            return ClientMetadata.model_validate_json(old)
        try:
            return await self._ask(client_id, host)
        except Unreachable:
            if not old:
                raise
            await self._keep(client_id, old, SHORTEST_SECONDS)
            return ClientMetadata.model_validate_json(old)

    async def _ask(self, client_id: str, host: str) -> ClientMetadata:
        for key, allowance in ((f"fetch:{host}", PER_HOST), ("fetch", EVERYWHERE)):
            if await self._throttle.spend(key, allowance) is not None:
                raise Unreachable("documents were asked for too often")
        fetched = await self._fetch.fetch(client_id)
        details = details_in(fetched.body, client_id)
        age = USUAL_SECONDS if fetched.max_age_seconds is None else fetched.max_age_seconds
        seconds = min(max(age, SHORTEST_SECONDS), LONGEST_SECONDS)
        await self._keep(client_id, details.model_dump_json().encode(), seconds)
        return details

    async def _keep(self, client_id: str, details: bytes, fresh_seconds: int) -> None:
        until = self._clock.now().timestamp() + fresh_seconds
        await self._cache.set(f"document:{client_id}", b"%f\n%s" % (until, details), ttl_seconds=STALE_SECONDS)


def checked_client_id(client_id: str) -> str:
    """The host of a document's address.

    Raises:
        NotFetched: It cannot be the address of one.
    """
    parts = checked(client_id)
    if len(parts.path) < 2 or any(part in {".", ".."} for part in parts.path.split("/")):
        raise NotFetched("its URL has no path, or one with dots")
    return parts.netloc


def details_in(body: bytes, client_id: str) -> ClientMetadata:
    """What a document says.

    Raises:
        OAuthError: It is not a document of this client, or of one that needs a secret.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise OAuthError("invalid_client_metadata", "The document is not JSON.") from None
    if not isinstance(value, dict) or value.get("client_id") != client_id:
        raise OAuthError("invalid_client_metadata", "The document does not name its own address as client_id.")
    if "client_secret" in value or value.get("token_endpoint_auth_method", "none") != "none":
        raise OAuthError("invalid_client_metadata", "A client with a public document has no secret.")
    return parsed(value)
