"""Long lists, page by page: signed cursors, page numbers, links, and the SQL that continues after a row."""

from __future__ import annotations

import copy
import hashlib
import hmac
import itertools
import json
import os
import struct
import tempfile
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes
from typing import Any
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy import ColumnElement, Select, and_, literal, or_, tuple_

from mcp_gateway.clock import Clock
from mcp_gateway.errors import InvalidCursor, InvalidParams, StorageError

Position = Sequence[str | int | float | None]

SECRET_BYTES = 32
MAX_CURSOR_LENGTH = 4096

# Counting to a row costs the database in proportion to its number: beyond this, lists are followed by cursor.
DEEPEST_OFFSET = 10_000

_VERSION = 1
_HEAD = struct.Struct(">BI")  # version, second of issue
_TAG_BYTES = 16
# Clocks of instances differ a little; a cursor from further ahead was not issued by us.
_SKEW_SECONDS = 60

_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


class Cursors:
    """Issues cursors, and takes back only what it issued: to the same caller, for the same list, not too long ago.

    A cursor is signed, not secret: its holder can read the position in it. The page size is no part of
    what it is bound to, so that may change from page to page.

    Args:
        secrets: At least 32 random bytes each. The first signs, all are accepted: to change the secret,
            put the new one first and drop the old one when its cursors have expired.
        clock: Says when a cursor was issued and when it has expired.
        hours: How long a cursor can be used.
    """

    def __init__(self, secrets: Sequence[bytes], clock: Clock, *, hours: float = 72) -> None:
        if not secrets or any(len(secret) < SECRET_BYTES for secret in secrets):
            raise ValueError(f"cursors need a secret of at least {SECRET_BYTES} bytes")
        self._secrets = tuple(secrets)
        self._keys = [hmac.digest(secret, b"media-gateway cursors", "sha256") for secret in secrets]
        self._clock = clock
        self._lifetime_seconds = hours * 3600
        self._scope: tuple[str, ...] = ()

    def keys_for(self, purpose: str) -> list[bytes]:
        """Keys for signing or sealing something else, made of the same secrets, in their order."""
        return [hmac.digest(secret, f"media-gateway {purpose}".encode(), "sha256") for secret in self._secrets]

    def scoped(self, name: str) -> Cursors:
        """Cursors of one list: those of any other are refused. Scopes nest."""
        scoped = copy.copy(self)
        scoped._scope = (*self._scope, name)
        return scoped

    def encode(self, position: Position, *, query: Mapping[str, Any], sort: str, caller: str) -> str:
        """Issue a cursor.

        Args:
            position: Where the next page begins, usually the sort keys of the last row. Times and decimals
                as text. Up to about 100 bytes the cursor stays below 200 characters.
            query: Everything that decides which rows are listed, as JSON values; not the page size.
            sort: The order.
            caller: Who may use the cursor.

        Raises:
            ValueError: The position is longer than about 3,000 bytes.
        """
        body = _HEAD.pack(_VERSION, self._now()) + _json(list(position)).encode("utf-8", "surrogatepass")
        cursor = _to_text(body + _tag(self._keys[0], body, self._binding(query, sort, caller)))
        if len(cursor) > MAX_CURSOR_LENGTH:
            raise ValueError(f"the position makes a cursor of {len(cursor)} characters; {MAX_CURSOR_LENGTH} fit")
        return cursor

    def decode(
        self, cursor: object, *, query: Mapping[str, Any], sort: str, caller: str
    ) -> tuple[str | int | float | None, ...]:
        """The position that was encoded.

        Args:
            cursor: What the caller sent, whatever it is.
            query: As it was for `encode`, like `sort` and `caller`.

        Raises:
            InvalidCursor: We did not issue it for this list, query, order and caller, or it has expired.
        """
        body, tag = _open(cursor)
        binding = self._binding(query, sort, caller)
        if not any(hmac.compare_digest(tag, _tag(key, body, binding)) for key in self._keys):
            raise InvalidCursor
        version, issued = _HEAD.unpack_from(body)
        age_seconds = self._now() - issued
        if version != _VERSION or age_seconds < -_SKEW_SECONDS:
            raise InvalidCursor
        if age_seconds > self._lifetime_seconds:
            raise InvalidCursor("has expired; leave it out to start from the first page")
        return tuple(json.loads(body[_HEAD.size :].decode("utf-8", "surrogatepass")))

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _binding(self, query: Mapping[str, Any], sort: str, caller: str) -> bytes:
        text = _json([self._scope, dict(query), sort, caller])
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _tag(key: bytes, body: bytes, binding: bytes) -> bytes:
    return hmac.digest(key, binding + body, "sha256")[:_TAG_BYTES]


def _to_text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _open(cursor: object) -> tuple[bytes, bytes]:
    if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR_LENGTH:
        raise InvalidCursor
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
    except ValueError:
        raise InvalidCursor from None
    # Base64 skips foreign characters and spare bits; a cursor has exactly one spelling.
    if _to_text(raw) != cursor:
        raise InvalidCursor
    return raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]


def load_or_create_secret(path: Path) -> bytes:
    """The secret kept in a file, which is made at the first call with mode 0600.

    Processes that start at the same time get the same secret.

    Raises:
        StorageError: The file cannot be read or made, is open to others, or holds fewer than 32 bytes.
    """
    try:
        if not path.exists():
            _create_secret(path)
        secret = path.read_bytes()
        open_to_others = os.name == "posix" and path.stat().st_mode & 0o077
    except OSError as error:
        raise StorageError(
            f"{path}: the secret of the cursors cannot be kept here: {error.strerror}. "
            "Make the folder writable, or set [pagination] cursor_secret."
        ) from None
    if len(secret) < SECRET_BYTES:
        raise StorageError(f"{path}: the secret of the cursors is damaged. Delete the file; a new one is made.")
    if open_to_others:
        raise StorageError(f"{path}: others can read or write the secret of the cursors. Make it yours: chmod 600.")
    return secret


def _create_secret(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(token_bytes(SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link appears whole or not at all, and never replaces the file of a process that was faster.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()


class Page(BaseModel):
    """One page of a list; a result adds its rows: `class SearchPage(Page): items: list[Hit]`.

    Members that are None are not sent, so a list that is not counted says why in `total_unknown`. One that can
    also be followed backwards adds `prev_cursor: str | None`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    total: int | None = Field(None, ge=0, description="Rows in the whole list.")
    total_unknown: str | None = Field(None, description="Why there is no total.")
    has_more: bool = Field(description="Whether rows follow.")
    next_cursor: str | None = Field(None, description="Pass as cursor for the next page.")

    @model_validator(mode="after")
    def _agrees(self) -> Page:
        if (self.total is None) == (self.total_unknown is None):
            raise ValueError("a page has either a total or the reason why it has none")
        if self.next_cursor is not None and not self.has_more:
            raise ValueError("a page with a next_cursor has more")
        return self


class NumberedPage(BaseModel):
    """One page of a list that is counted: give `total`, `page` and `per_page`, and the other members follow.

    No rows make no pages: `total_pages` is 0. A page behind the last one is empty, and its `prev_page` is the last.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    total: int = Field(ge=0, description="Rows in the whole list.")
    page: int = Field(ge=1, description="Number of this page, from 1.")
    per_page: int = Field(ge=1, description="Rows on a full page.")
    total_pages: int = Field(
        default_factory=lambda given: -(-given["total"] // given["per_page"]), description="Pages in the whole list."
    )
    has_more: bool = Field(
        default_factory=lambda given: given["page"] < given["total_pages"], description="Whether rows follow."
    )
    next_page: int | None = Field(
        default_factory=lambda given: given["page"] + 1 if given["has_more"] else None, description="The page after."
    )
    prev_page: int | None = Field(
        default_factory=lambda given: min(given["page"] - 1, given["total_pages"]) or None,
        description="The page before.",
    )


def offset_of(page: int, per_page: int) -> int:
    """How many rows come before a page.

    Raises:
        InvalidParams: There is no such page, or it lies too deep to count to.
    """
    if page < 1:
        raise InvalidParams("page", "must be at least 1")
    offset = (page - 1) * per_page
    if offset > DEEPEST_OFFSET:
        raise InvalidParams("page", f"begins after row {DEEPEST_OFFSET}; narrow the search")
    return offset


class Links(BaseModel):
    """Where the pages around this one are; those that do not exist, or are not known, are left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    self: str | None = None
    first: str | None = None
    prev: str | None = None
    next: str | None = None
    last: str | None = None


def links_of(page: Mapping[str, Any], path: str, query: Sequence[tuple[str, str]]) -> Links:
    """The links of a page that was asked for over HTTP.

    Args:
        page: A `Page` or `NumberedPage` as JSON.
        path: The path of the request, not percent-escaped.
        query: Its parameters, not percent-escaped. Every link has all of them, with its own `cursor` or `page`.
    """
    numbered = "total_pages" in page
    name = "page" if numbered else "cursor"
    others = [(key, value) for key, value in query if key != name]

    def to(value: object) -> str | None:
        return _url(path, [*others, (name, str(value))]) if value else None

    return Links(
        self=_url(path, query),
        first=to(1) if numbered else _url(path, others),
        prev=to(page.get("prev_page" if numbered else "prev_cursor")),
        next=to(page.get("next_page" if numbered else "next_cursor")),
        last=to(page.get("total_pages")),
    )


def link_header(links: Links) -> str:
    """The same links as the value of a `Link` header (RFC 8288)."""
    return ", ".join(f'<{url}>; rel="{rel}"' for rel, url in links if url is not None)


def _url(path: str, query: Sequence[tuple[str, str]]) -> str:
    return quote(path) + (f"?{urlencode(query, quote_via=quote)}" if query else "")


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column to sort by. Rows without a value come last, whatever the direction.

    Attributes:
        nullable: Whether the column can be NULL. None: as its table says; an expression may be.
    """

    column: ColumnElement[Any]
    descending: bool = False
    nullable: bool | None = None

    @property
    def may_be_null(self) -> bool:
        """Whether rows without a value are provided for."""
        return bool(getattr(self.column, "nullable", True)) if self.nullable is None else self.nullable


class Keyset:
    """Pages of a statement by the sort keys of its rows. Inserting and deleting between pages moves no other row.

    With an index on the keys a page costs the same at any depth. SQLite wants for that a first key that is a
    column and never NULL (a generated column will do); else it reads the list from its beginning.

    Args:
        keys: The order. Together they must be unique, so the last is usually the primary key. Keys in one direction
            are quickest: where it changes, rows that tie on the keys before are read one by one (on SQLite also
            where the next key is an INTEGER PRIMARY KEY).
    """

    def __init__(self, *keys: SortKey) -> None:
        self._keys = keys

    def page(
        self, statement: Select[Any], position: Sequence[Any] | None = None, *, backward: bool = False
    ) -> Select[Any]:
        """Put the statement in order, and continue behind a row. The caller adds the limit.

        Args:
            statement: Without an order.
            position: A value for each key, of the column's type; None begins at the first row.
            backward: List the rows before the position, nearest first, so the caller reverses them; without
                a position the last rows.
        """
        statement = statement.order_by(*(step.order(backward) for step in self._steps(None)))
        return statement if position is None else statement.where(_behind(self._steps(position), backward))

    def _steps(self, position: Sequence[Any] | None) -> list[_Step]:
        values = position if position is not None else [...] * len(self._keys)  # for the order any value does
        steps = []
        for key, value in zip(self._keys, values, strict=True):
            if key.may_be_null:
                presence = key.column.is_not(None) if key.descending else key.column.is_(None)
                steps.append(_Step(presence, key.descending, (value is None) != key.descending))
            elif value is None:
                raise ValueError(f"{key.column} is declared as never NULL, yet the position has no value for it")
            if value is not None:
                steps.append(_Step(key.column, key.descending, value))
        return steps


@dataclass(frozen=True, slots=True)
class _Step:
    """One comparison without NULLs: a nullable key makes two, of whether it is NULL and of its value."""

    expression: ColumnElement[Any]
    descending: bool
    value: Any

    def order(self, backward: bool) -> ColumnElement[Any]:
        return self.expression.desc() if self.descending != backward else self.expression.asc()

    @property
    def bound(self) -> ColumnElement[Any]:
        return literal(self.value, self.expression.type)


def _behind(steps: Sequence[_Step], backward: bool) -> ColumnElement[bool]:
    # A run of keys in one direction is one row comparison, which an index answers with a range. Where the
    # direction changes the first run still bounds the range; within its ties the next run decides.
    run = list(itertools.takewhile(lambda step: step.descending == steps[0].descending, steps))
    falling = run[0].descending != backward
    behind = _compare(run, falling, or_equal=False)
    if len(run) == len(steps):
        return behind
    return and_(_compare(run, falling, or_equal=True), or_(behind, _behind(steps[len(run) :], backward)))


def _compare(steps: Sequence[_Step], falling: bool, *, or_equal: bool) -> ColumnElement[bool]:
    columns, values = tuple_(*(step.expression for step in steps)), tuple_(*(step.bound for step in steps))
    if or_equal:
        return columns <= values if falling else columns >= values
    return columns < values if falling else columns > values
