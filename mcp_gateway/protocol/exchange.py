"""One request on its way through a method: its params, checked as they are read, and what answering it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_gateway.call import Call
from mcp_gateway.errors import InvalidParams
from mcp_gateway.protocol.session import Session
from mcp_gateway.protocol.versions import Revision

MAX_NAME_LENGTH = 2048


@dataclass(slots=True)
class Exchange:
    """A request being answered."""

    params: Mapping[str, Any]
    revision: Revision
    session: Session
    call: Call

    def text(self, name: str) -> str:
        """A required param that is text.

        Raises:
            InvalidParams: It is absent, something else or too long.
        """
        value = self.params.get(name)
        return required_text(value, name)

    def cursor(self) -> str | None:
        """Where a list goes on; None for its start.

        Raises:
            InvalidParams: It is not text.
        """
        value = self.params.get("cursor")
        if value is not None and not isinstance(value, str):
            raise InvalidParams("cursor", "must be a string")
        return value

    def object(self, name: str) -> dict[str, Any]:
        """A param that is an object; empty when absent.

        Raises:
            InvalidParams: It is something else.
        """
        return optional_object(self.params.get(name), name)


def required_text(value: object, name: str) -> str:
    """The value, if it is text of a sensible length. Raises InvalidParams."""
    if not isinstance(value, str):
        raise InvalidParams(name, "is required" if value is None else "must be a string")
    if len(value) > MAX_NAME_LENGTH:
        raise InvalidParams(name, f"must have at most {MAX_NAME_LENGTH} characters")
    return value


def optional_object(value: object, name: str) -> dict[str, Any]:
    """The value, if it is an object or None. Raises InvalidParams."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidParams(name, "must be an object")
    return value


def text_values(values: Mapping[str, Any], name: str) -> dict[str, str]:
    """The values, if all are text. Raises InvalidParams."""
    for key, value in values.items():
        if not isinstance(value, str):
            raise InvalidParams(f"{name}.{key[:64]}", "must be a string")
    return dict(values)
