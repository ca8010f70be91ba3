"""Whose browser it is: cookies, and tokens that show that a form comes from a page of ours."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from .addresses import Addresses
from .oauth import Fields, OAuthError
from .secret_values import digest_of, new_secret
from .store import Cookie, CookieStore, User

SESSION_LIFE = timedelta(hours=12)
REMEMBERED_LIFE = timedelta(days=30)
DEVICE_LIFE = timedelta(days=400)  # the longest that browsers keep a cookie
MAX_COOKIE_CHARS = 100


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser that asks for a page.

    Attributes:
        secret: What it holds: of a signed-in browser the key to its session, else a random text.
        user: Who is signed in there.
        is_new: It has yet to be given the secret.
    """

    secret: str = field(repr=False)
    user: User | None
    is_new: bool

    def form_token(self, place: str) -> str:
        """Stands in a form on the page at that place. Who does not know the browser's secret cannot make it."""
        return hmac.digest(self.secret.encode(), place.encode("utf-8", "surrogatepass"), "sha256").hex()


class Visits:
    """Tells browsers apart. On signing in a browser gets a new secret, so that one planted before opens nothing."""

    def __init__(self, store: CookieStore, addresses: Addresses) -> None:
        self._store = store
        self._addresses = addresses
        # Browsers keep a __Host- cookie from other hosts of the same site, and from unencrypted pages.
        prefix = "__Host-media-gateway" if addresses.is_https else "media-gateway"
        self.session_cookie = f"{prefix}-session"
        self.device_cookie = f"{prefix}-device"

    async def of(self, request: Request) -> Visit:
        """The visit that a request belongs to."""
        secret = _cookie(request, self.session_cookie)
        if not secret:
            return Visit(new_secret(), None, is_new=True)
        return Visit(secret, await self._store.user_of(digest_of(secret), "session"), is_new=False)

    def greet(self, visit: Visit, response: Response) -> None:
        """Give a new browser its secret."""
        if visit.is_new:
            self._set(response, self.session_cookie, visit.secret, None)

    async def known_user(self, request: Request) -> User | None:
        """Who has signed in from this browser before, signed in now or not."""
        secret = _cookie(request, self.device_cookie)
        return await self._store.user_of(digest_of(secret), "device") if secret else None

    async def begin(self, user: User, visit: Visit, response: Response, *, remember: bool, is_known: bool) -> bool:
        """Sign a person in, in this browser; whoever was, no longer is.

        False, and nothing is changed: the person is gone, or has another password than the one that was checked.
        """
        session, life = new_secret(), REMEMBERED_LIFE if remember else SESSION_LIFE
        device = None if is_known else new_secret()
        added = [Cookie(digest_of(session), "session", life)]
        if device is not None:
            added.append(Cookie(digest_of(device), "device", DEVICE_LIFE))
        if not await self._store.add(user, *added):
            return False
        await self.end(visit)
        self._set(response, self.session_cookie, session, life if remember else None)
        if device is not None:
            self._set(response, self.device_cookie, device, DEVICE_LIFE)
        return True

    async def end(self, visit: Visit) -> None:
        """Sign the person out."""
        if visit.user is not None:
            await self._store.forget(digest_of(visit.secret))

    def leave(self, response: Response) -> None:
        """Take the browser's secret back."""
        response.delete_cookie(self.session_cookie, secure=self._addresses.is_https, httponly=True, samesite="lax")

    def check_form(self, request: Request, visit: Visit, place: str, form: Fields) -> None:
        """Make sure that the person sent this form from our page, in this browser.

        Raises:
            OAuthError: Another site sent it, or the page is too old.
        """
        # Browsers say where a form comes from; the token holds where one does not.
        origins: Sequence[str] = request.headers.getlist("origin")
        if any(origin != self._addresses.origin for origin in origins):
            raise OAuthError("invalid_request", "The form was sent from another site.", status=403)
        given = (form.one("form_token") or "").encode("utf-8", "surrogatepass")
        if visit.is_new or not hmac.compare_digest(given, visit.form_token(place).encode()):
            raise OAuthError("invalid_request", "The page was open for too long, or cookies are off.", status=403)

    def _set(self, response: Response, name: str, secret: str, life: timedelta | None) -> None:
        seconds = None if life is None else int(life.total_seconds())
        response.set_cookie(name, secret, seconds, secure=self._addresses.is_https, httponly=True, samesite="lax")


def _cookie(request: Request, name: str) -> str:
    value = request.cookies.get(name, "")
    return value if len(value) <= MAX_COOKIE_CHARS and value.isascii() else ""
