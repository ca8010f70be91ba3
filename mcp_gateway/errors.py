"""Every error that the gateway raises on purpose, and the one table that says how each face shows it.

GatewayError
├── InvalidParams          a field is missing, unknown or out of bounds
│   └── InvalidCursor      a cursor that was not issued for this query, or has expired
├── NotFound               no such title, tool, resource …
├── Unauthenticated        nobody is signed in
├── Forbidden              signed in, but without the scope
├── Conflict               the state of the thing does not allow it
├── RateLimited            too many requests from this caller
├── Unavailable            a service the answer needs is away, or time ran out
│   └── MissingCapability  the client cannot be asked what the answer needs
└── InternalError          our own fault; says a reference, never the cause

StartupError               the gateway cannot start, or a command cannot run; for the operator
├── SettingsError          gateway.toml or the environment
├── StorageError           the database is away, locked, read-only, full or too new
└── PluginError            a plugin cannot be loaded or started
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any


class GatewayError(Exception):
    """Something went wrong that the caller is told about."""

    reason = "error"

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.data: dict[str, Any] = {name: value for name, value in data.items() if value is not None}

    def payload(self) -> dict[str, Any]:
        """The machine-readable form: reason, retryable and whatever data the error carries."""
        details = {"reason": self.reason, **self.data}
        if translation(self).retryable:
            details["retryable"] = True
        return details


class InvalidParams(GatewayError):
    """A parameter is missing, unknown, of the wrong type or out of bounds.

    Args:
        field: The parameter's path, e.g. `filters.year_from`; empty when the whole is wrong.
        problem: What is wrong, as a clause: `must be at most 100`.
        allowed: What may stand there, where that is a short list.
        nearest: The valid value closest to what was given.
    """

    reason = "invalid_params"

    def __init__(
        self, field: str, problem: str, *, allowed: Sequence[str] | None = None, nearest: str | None = None
    ) -> None:
        message = f"{field}: {problem}" if field else problem
        if nearest is not None:
            message += f"; did you mean {nearest!r}?"
        elif allowed:
            message += "."
        if allowed:
            message += f" Allowed: {', '.join(allowed)}."
        super().__init__(
            message, field=field or None, problem=problem, allowed=list(allowed or ()) or None, nearest=nearest
        )


class InvalidCursor(InvalidParams):
    """The cursor is not one of ours, belongs to another query or caller, or is too old."""

    reason = "invalid_cursor"

    def __init__(self, problem: str = "is not valid for this query; leave it out to start from the first page") -> None:
        super().__init__("cursor", problem)


class NotFound(GatewayError):
    """There is no such thing. `nearest` holds similar names that do exist."""

    reason = "not_found"

    def __init__(self, what: str, name: object, *, nearest: Sequence[str] = ()) -> None:
        message = f"No {what} {str(name)[:200]!r}."
        if nearest:
            message += f" Nearest: {', '.join(nearest)}."
        super().__init__(message, what=what, name=str(name)[:200], nearest=list(nearest) or None)


class Unauthenticated(GatewayError):
    """Nobody is signed in, or the credentials have expired.

    Args:
        headers: Of the answer over HTTP: how to sign in.
    """

    reason = "unauthenticated"

    def __init__(self, message: str = "Sign in to use this.", *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = headers or {"WWW-Authenticate": "Bearer"}


class Forbidden(GatewayError):
    """The caller may not do this.

    Args:
        scopes: What it takes.

    Attributes:
        headers: Of the answer over HTTP: how to get those scopes.
    """

    reason = "forbidden"

    def __init__(self, message: str = "Not allowed.", *, scopes: Sequence[str] = ()) -> None:
        super().__init__(message, required_scopes=list(scopes) or None)
        self.headers: Mapping[str, str] = {}


class Conflict(GatewayError):
    """The request is well formed, but the present state does not allow it."""

    reason = "conflict"


class RateLimited(GatewayError):
    """The caller asks too often."""

    reason = "rate_limited"

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__("Too many requests; slow down.", retry_after_seconds=retry_after_seconds)


class Unavailable(GatewayError):
    """Something that the answer needs is away or too slow. Trying again later may help.

    Args:
        for_operator: What whoever runs the gateway is told instead, in the log and on the command line: it may name
            files and addresses. Callers never see it.
    """

    reason = "unavailable"

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, for_operator: str | None = None
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.for_operator = for_operator or message


class MissingCapability(Unavailable):
    """The client did not declare what the answer needs: `sampling`, `elicitation`, `roots` or `tasks`."""

    reason = "missing_capability"

    def __init__(self, capabilities: Sequence[str]) -> None:
        super().__init__(f"This needs a client that declares {', '.join(capabilities)}.")
        self.data["required_capabilities"] = list(capabilities)


class InternalError(GatewayError):
    """Our own fault. The log has the cause under the reference; the caller gets only that."""

    reason = "internal"

    def __init__(self, reference: str) -> None:
        super().__init__(f"Internal error; reference {reference}.", reference=reference)


class StartupError(Exception):
    """The gateway cannot start. The message is one or two lines that say what to do."""

    exit_code = 1


class SettingsError(StartupError):
    """gateway.toml, the environment or a command-line option is wrong."""

    exit_code = 2


class StorageError(StartupError):
    """The database cannot be used as it is."""


class PluginError(StartupError):
    """A plugin that must run does not."""


@dataclass(frozen=True, slots=True)
class Translation:
    """How one kind of error looks from outside."""

    jsonrpc_code: int
    http_status: int
    retryable: bool = False


_TABLE: dict[type[GatewayError], Translation] = {
    InvalidParams: Translation(-32602, 400),
    NotFound: Translation(-32002, 404),
    Unauthenticated: Translation(-32000, 401),
    Forbidden: Translation(-32000, 403),
    Conflict: Translation(-32000, 409),
    RateLimited: Translation(-32000, 429, retryable=True),
    Unavailable: Translation(-32000, 503, retryable=True),
    MissingCapability: Translation(-32000, 501),
    InternalError: Translation(-32603, 500),
    GatewayError: Translation(-32603, 500),
}


def translation(error: GatewayError) -> Translation:
    """The row of the table for this error's class, or for its nearest ancestor."""
    return next(_TABLE[kind] for kind in type(error).__mro__ if kind in _TABLE)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name closest to a mistyped one, or None when nothing is close."""
    return next(iter(get_close_matches(name[:100], known, n=1, cutoff=0.6)), None)


def first_of(error: BaseException) -> BaseException:
    """The first error inside an exception group, however deep; any other error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
