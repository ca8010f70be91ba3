"""What a plugin contributes, checked and compiled: capabilities with their schemas, prompts, skills and routes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mcp.shared.uri_template import InvalidUriTemplate, UriTemplate

from mcp_gateway.arguments import Validator, compile_schema
from mcp_gateway.capability import Capability, Definition, Prompt
from mcp_gateway.hookspecs import Contribution, PublicRoute
from mcp_gateway.skills import Skill

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

_VARIABLE_NAMES = re.compile(r"(?<=[{?&/#.+,])[A-Za-z0-9_*]+(?=[},])")


@dataclass(frozen=True)
class Registered:
    """A capability, who brought it, and its schemas, compiled at their first use."""

    plugin: str
    capability: Capability
    template: UriTemplate | None

    @cached_property
    def input(self) -> Validator:
        """Validates arguments."""
        return compile_schema(self.capability.input_schema)

    @cached_property
    def output(self) -> Validator | None:
        """Validates results, where they have a schema."""
        schema = self.capability.output_schema
        return compile_schema(schema) if schema is not None else None


@dataclass(frozen=True, slots=True)
class RegisteredPrompt:
    """A prompt and who brought it."""

    plugin: str
    prompt: Prompt


@dataclass(slots=True)
class Contributions:
    """All of one plugin."""

    capabilities: list[Registered] = field(default_factory=list)
    prompts: list[RegisteredPrompt] = field(default_factory=list)
    routes: list[BaseRoute] = field(default_factory=list)
    public_routes: list[BaseRoute] = field(default_factory=list)
    skills: list[Skill] = field(default_factory=list)


def compiled(plugin: str, items: Iterable[Contribution]) -> Contributions:
    """Sort what a plugin yields.

    Raises:
        Definition: One of them is wrong; the message names it.
    """
    new = Contributions()
    for item in items:
        match item:
            case Capability():
                new.capabilities.append(_compile(plugin, item))
            case Prompt():
                new.prompts.append(RegisteredPrompt(plugin, item))
            case Skill():
                new.capabilities.extend(_compile(plugin, each) for each in item.capabilities())
                new.skills.append(item)
            case PublicRoute(route):
                new.routes.append(_as_route(route))
                new.public_routes.append(route)
            case _:
                new.routes.append(_as_route(item))
    return new


def _as_route(item: Any) -> BaseRoute:
    from starlette.routing import BaseRoute  # here: over stdio, without a plugin's routes, nobody needs Starlette

    if not isinstance(item, BaseRoute):
        raise Definition(f"yielded a {type(item).__name__}, which is not a capability, prompt, skill or route")
    return item


def _compile(plugin: str, capability: Capability) -> Registered:
    try:
        template = UriTemplate.parse(capability.uri) if capability.uri and capability.is_template else None
        registered = Registered(plugin, capability, template)
        if not capability.is_deferred:
            _ = registered.input, registered.output  # what cannot be compiled is refused here
    except (ValueError, InvalidUriTemplate) as error:
        raise Definition(f"{capability.name}: {error}") from None
    return registered


def keys_of(capability: Capability) -> list[str]:
    """What it takes for itself, in words: no other may have it."""
    keys = [f"the name {capability.name!r}"]
    if capability.uri:
        keys.append(f"the URI {_unnamed(capability.uri)!r}")
    if capability.rest:
        keys.append(f"the route {capability.rest.method} {_unnamed(capability.rest.path)}")
    return keys


def _unnamed(template: str) -> str:
    """A template whatever its variables are called: two that differ in that only match the same."""
    return _VARIABLE_NAMES.sub("", template)
