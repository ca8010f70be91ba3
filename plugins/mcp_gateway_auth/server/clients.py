"""Clients: what they say of themselves, where they are kept, and how one proves that it is itself."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import unquote_plus, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request

from .oauth import Fields, OAuthError
from .redirects import fault_of
from .secret_values import matches

AuthMethod = Literal["none", "client_secret_basic", "client_secret_post"]
SECRET_METHODS: Sequence[AuthMethod] = ("client_secret_basic", "client_secret_post")
GRANT_TYPES = ["authorization_code", "refresh_token"]
MAX_CLIENT_ID_CHARS = 500


def _checked_redirect(uri: str) -> str:
    fault = fault_of(uri)
    if fault is not None:
        raise ValueError(fault)
    return uri


def _shown(text: str) -> str:
    """Without characters that would make people read something else than is written."""
    return " ".join("".join(c for c in text if c.isprintable()).split())


ShownText = Annotated[str, StringConstraints(max_length=100), AfterValidator(_shown)]
RedirectUri = Annotated[str, AfterValidator(_checked_redirect)]
Word = Annotated[str, StringConstraints(max_length=100)]
Link = Annotated[str, StringConstraints(max_length=1000, pattern=r"^https?://")]


class ClientMetadata(BaseModel):
    """What a client says of itself (RFC 7591, section 2). Members that mean nothing here are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    redirect_uris: list[RedirectUri] = Field(min_length=1, max_length=20)
    token_endpoint_auth_method: Word | None = None
    grant_types: list[Word] = Field(GRANT_TYPES, max_length=10)
    response_types: list[Word] = Field(["code"], max_length=10)
    client_name: ShownText | None = None
    client_uri: Link | None = None
    scope: Annotated[str, StringConstraints(max_length=1000)] | None = None
    application_type: Word | None = None
    software_id: Word | None = None
    software_version: Word | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A client that is known.

    Attributes:
        name: By its own account, for people.
        host: Where its metadata document is: the one thing about it that nobody else can claim. Empty: it registered.
        secret_digest: None: a public client, which cannot keep a secret.
    """

    client_id: str
    name: str
    redirect_uris: Sequence[str]
    host: str = ""
    secret_digest: bytes | None = field(default=None, repr=False)


def client_of(client_id: str, details: ClientMetadata, secret_digest: bytes | None = None, *, host: str = "") -> Client:
    """The client with this metadata."""
    name = details.client_name or (urlsplit(details.client_uri or "").hostname or "A client without a name")
    return Client(client_id, name, tuple(details.redirect_uris), host, secret_digest)


class ClientSource(Protocol):
    """Knows clients."""

    async def get(self, client_id: str) -> Client | None:
        """The client; None when it is not known."""
        ...


class Clients:
    """All clients: those that registered, and those that publish a document about themselves.

    Args:
        documents: None: only registered ones.
        methods: How registered ones may prove who they are.
    """

    def __init__(self, registered: ClientSource, documents: ClientSource | None, methods: Sequence[AuthMethod]) -> None:
        self._registered = registered
        self._documents = documents
        self.methods = tuple(methods)

    async def get(self, client_id: str) -> Client | None:
        """The client; None when it is not known, or its document cannot be used."""
        if len(client_id) > MAX_CLIENT_ID_CHARS:
            return None
        if client_id.startswith("https://"):
            return await self._documents.get(client_id) if self._documents else None
        return await self._registered.get(client_id)

    async def authenticate(self, request: Request, form: Fields) -> Client:
        """The client that asks. One with a secret may show it in the header or in the form, however it registered.

        Raises:
            OAuthError: 401, unless the request is malformed.
        """
        shown = credentials_of(request.headers, form)
        client = await self.get(shown.client_id)
        if client is None or not _is_genuine(client, shown.secret):
            raise unauthenticated()
        # Who publishes a document has no secret; how the others may do it is the operator's choice.
        if not client.host and shown.method not in self.methods:
            raise unauthenticated(f"token_endpoint_auth_method must be one of: {', '.join(self.methods)}")
        return client


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client shows."""

    client_id: str
    secret: str | None = field(repr=False)
    method: AuthMethod


def credentials_of(headers: Mapping[str, str], form: Fields) -> Credentials:
    """What the client shows, in the header or in the form.

    Raises:
        OAuthError: Nothing, or more than one thing.
    """
    named, secret = form.one("client_id"), form.one("client_secret")
    authorization = headers.get("authorization")
    if authorization is None:
        if named is None:
            raise unauthenticated("client_id is missing.")
        return Credentials(named, secret, "none" if secret is None else "client_secret_post")
    client_id, password = _basic(authorization)
    if secret is not None:
        raise OAuthError("invalid_request", "Show the secret in the header or in the body, not in both.")
    if named not in {None, client_id}:
        raise OAuthError("invalid_request", "client_id is another one than in the header.")
    return Credentials(client_id, password or None, "client_secret_basic" if password else "none")


def unauthenticated(description: str = "The client is not known, or not proved to be itself.") -> OAuthError:
    """What a client is told that did not prove who it is."""
    return OAuthError(
        "invalid_client", description, status=401, headers={"WWW-Authenticate": 'Basic realm="media-gateway"'}
    )


def _basic(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise unauthenticated("The Authorization header cannot be read.") from None
    client_id, colon, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise unauthenticated("The Authorization header cannot be read.")
    return unquote_plus(client_id), unquote_plus(secret)


def _is_genuine(client: Client, secret: str | None) -> bool:
    if client.secret_digest is None:
        return secret is None
    return secret is not None and matches(secret, client.secret_digest)


def parsed(value: Any) -> ClientMetadata:
    """Metadata from JSON.

    Raises:
        OAuthError: Something in it is wrong; the description names it.
    """
    from pydantic import ValidationError

    try:
        details = ClientMetadata.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        code = "invalid_redirect_uri" if place.startswith("redirect_uris") else "invalid_client_metadata"
        raise OAuthError(code, f"{place}: {first['msg'].removeprefix('Value error, ')}") from None
    if "authorization_code" not in details.grant_types or "code" not in details.response_types:
        raise OAuthError(
            "invalid_client_metadata", "Only the grant authorization_code with response type code is served."
        )
    return details
