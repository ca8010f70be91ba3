"""What is registered, and the narrow waist: every call of every face passes `Registry.invoke`.

Every rule that must hold on all faces (scopes, validation, time limit, what an error may say) is here, once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from secrets import token_hex
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from pydantic import BaseModel, ValidationError

from mcp_gateway.arguments import check, from_text, is_suspect, refuse_nul, without_nulls
from mcp_gateway.audit import Audit
from mcp_gateway.call import Call, Caller
from mcp_gateway.capability import Definition, Prompt
from mcp_gateway.content import Content, Message, Text
from mcp_gateway.contributions import Contributions, Registered, RegisteredPrompt, compiled, keys_of
from mcp_gateway.errors import Forbidden, GatewayError, InternalError, InvalidParams, NotFound, Unavailable
from mcp_gateway.hookspecs import Contribution
from mcp_gateway.limits import RateLimit
from mcp_gateway.skills import Skill

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

log = logging.getLogger(__name__)
T = TypeVar("T")

COMPLETION_SECONDS = 5.0
MAX_URI_LENGTH = 2048
# Paths of the gateway itself; a plugin's route may not begin with one.
RESERVED_PATHS = ("/mcp", "/sse", "/messages", "/healthz", "/readyz", "/metrics", "/openapi.json")


@dataclass(slots=True)
class Outcome:
    """What a capability answered: the JSON object of a typed result, or content without a schema."""

    value: dict[str, Any] | None = None
    content: Content | None = None


class Registry:
    """Everything the plugins contribute.

    Args:
        profile: Which tools are offered: `discovery`, `full`, or plugin names separated by commas.
        call_seconds: Time limit of capabilities that set none.
        rate_limit: How often a caller may call; None: without limit.

    Attributes:
        audit: Notes calls; None: nobody does.
    """

    def __init__(self, *, profile: str = "full", call_seconds: float = 30, rate_limit: RateLimit | None = None) -> None:
        self.audit: Audit | None = None
        self._by_plugin: dict[str, Contributions] = {}
        self._profile = profile
        self._call_seconds = call_seconds
        self._rate_limit = rate_limit
        self._on_change: list[Callable[[], None]] = []
        self._index()
        self.revision = 0

    def add(self, plugin: str, contributions: Iterable[Contribution]) -> None:
        """Register all of a plugin's contributions in place of those it had, or change nothing.

        Raises:
            Definition: A name, URI or route is taken or wrong; the message names it.
        """
        new = compiled(plugin, contributions)
        self._refuse_taken(plugin, new)
        self._by_plugin[plugin] = new
        self._changed()

    def remove(self, plugin: str) -> None:
        """Take back what a plugin registered."""
        if self._by_plugin.pop(plugin, None) is not None:
            self._changed()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call the listener after every change."""
        self._on_change.append(listener)

    def tools(self) -> list[Registered]:
        """The tools of the profile, by name."""
        return list(self._tools.values())

    def tool(self, name: str) -> Registered:
        """One tool of the profile.

        Raises:
            NotFound: With the nearest names.
        """
        return _find(self._tools, "tool", name)

    def resources(self) -> list[Registered]:
        """Capabilities with a fixed URI, by URI."""
        return list(self._resources.values())

    def templates(self) -> list[Registered]:
        """Capabilities with a URI template, by template."""
        return self._templates

    def resource_for(self, uri: str) -> tuple[Registered, dict[str, Any]]:
        """The capability that reads a URI, and the arguments that the URI carries.

        Raises:
            NotFound: No resource has this URI.
        """
        if len(uri) <= MAX_URI_LENGTH:
            if uri in self._resources:
                return self._resources[uri], {}
            for registered in self._templates:
                found = registered.template.match(uri) if registered.template else None
                if found is not None and not any(is_suspect(value) for value in found.values()):
                    return registered, from_text(registered.capability.input_schema, found)
        raise NotFound("resource", uri)

    def template(self, uri_template: str) -> Registered:
        """The capability with this URI or URI template, as it is written.

        Raises:
            NotFound: There is none.
        """
        by_uri = {r.capability.uri or "": r for r in self._templates} | self._resources
        return _find(by_uri, "resource template", uri_template)

    def prompts(self) -> list[RegisteredPrompt]:
        """All prompts, by name."""
        return list(self._prompts.values())

    def prompt(self, name: str) -> RegisteredPrompt:
        """One prompt.

        Raises:
            NotFound: With the nearest names.
        """
        return _find(self._prompts, "prompt", name)

    def capabilities(self) -> list[Registered]:
        """All capabilities, whatever the profile, by name."""
        return list(self._capabilities.values())

    def routes(self) -> list[Registered]:
        """Capabilities with a REST route."""
        return [registered for registered in self.capabilities() if registered.capability.rest]

    def plugin_routes(self) -> list[BaseRoute]:
        """The Starlette routes of the plugins."""
        return [route for contributions in self._by_plugin.values() for route in contributions.routes]

    def public_routes(self) -> list[BaseRoute]:
        """Those of them that are served to anybody."""
        return [route for contributions in self._by_plugin.values() for route in contributions.public_routes]

    def skills(self) -> list[Skill]:
        """All skills, by URI."""
        skills = (skill for contributions in self._by_plugin.values() for skill in contributions.skills)
        return sorted(skills, key=lambda skill: skill.uri)

    async def invoke(self, registered: Registered, arguments: Mapping[str, Any], call: Call) -> Outcome:
        """Run a capability: count, authorise, validate, run within the time limit, validate the result.

        Raises:
            GatewayError: And nothing else. An unexpected failure is logged and becomes an InternalError.
        """
        if self.audit is None or not self.audit.wants(call.caller):
            return await self._invoke(registered, arguments, call)
        with self.audit.noting(call.caller, registered.capability.name, arguments):
            return await self._invoke(registered, arguments, call)

    async def _invoke(self, registered: Registered, arguments: Mapping[str, Any], call: Call) -> Outcome:
        capability = registered.capability
        self._count(call, capability.name)
        authorise(registered, call.caller)
        params = _params(registered, arguments)
        seconds = capability.timeout_seconds or self._call_seconds
        result = await _contained(capability.name, lambda: capability.handler(params, call), seconds)
        return _outcome(registered, result)

    async def get_prompt(
        self, registered: RegisteredPrompt, arguments: Mapping[str, str], call: Call
    ) -> Sequence[Message]:
        """Fill a prompt.

        Raises:
            GatewayError: As `invoke`.
        """
        prompt = registered.prompt
        self._count(call)
        params = _prompt_params(prompt, arguments)
        answer = await _contained(prompt.name, lambda: prompt.handler(params, call), self._call_seconds)
        return [Message("user", Text(answer))] if isinstance(answer, str) else answer

    async def complete(
        self, target: Registered | RegisteredPrompt, argument: str, value: str, call: Call
    ) -> Sequence[str]:
        """Values for an argument that begin with, or resemble, what was typed; best first.

        Raises:
            InvalidParams: The target has no such argument.
            GatewayError: As `invoke`.
        """
        self._count(call)
        if isinstance(target, Registered):
            authorise(target, call.caller)
        completions, properties = _completable(target)
        if argument not in properties:
            raise InvalidParams("argument.name", f"there is no argument {argument[:64]!r}", allowed=list(properties))
        completer = completions.get(argument)
        if completer is not None:
            return await _contained(f"completion of {argument}", lambda: completer(value, call), COMPLETION_SECONDS)
        options = properties[argument].get("enum", ())
        return [str(option) for option in options if str(option).lower().startswith(value.lower())]

    def _count(self, call: Call, tool: str = "") -> None:
        if self._rate_limit is not None:
            self._rate_limit.take(call, tool)

    def _refuse_taken(self, plugin: str, new: Contributions) -> None:
        others = [r for r in self._capabilities.values() if r.plugin != plugin]
        taken = {key: r.plugin for r in others for key in keys_of(r.capability)}
        for registered in new.capabilities:
            for key in keys_of(registered.capability):
                if key in taken:
                    raise Definition(f"{registered.capability.name}: {key} is taken by plugin {taken[key]!r}")
                taken[key] = registered.plugin
        for route in (*(r.capability.rest for r in new.capabilities if r.capability.rest), *new.routes):
            path = getattr(route, "path", "")
            if path.startswith(RESERVED_PATHS):
                raise Definition(f"route {path}: the path belongs to the gateway")
        prompts = {name for name, prompt in self._prompts.items() if prompt.plugin != plugin}
        for registered_prompt in new.prompts:
            name = registered_prompt.prompt.name
            if name in prompts:
                raise Definition(f"prompt {name!r} is taken")
            prompts.add(name)

    def _changed(self) -> None:
        self._index()
        self.revision += 1
        for listener in self._on_change:
            listener()

    def _index(self) -> None:
        registered = [r for contributions in self._by_plugin.values() for r in contributions.capabilities]
        self._capabilities = _sorted({r.capability.name: r for r in registered})
        self._tools = {name: r for name, r in self._capabilities.items() if self._offered(r)}
        self._resources = _sorted(
            {r.capability.uri: r for r in registered if r.capability.uri and not r.capability.is_template}
        )
        templates = {r.capability.uri: r for r in registered if r.capability.uri and r.capability.is_template}
        self._templates = list(_sorted(templates).values())
        prompts = [p for contributions in self._by_plugin.values() for p in contributions.prompts]
        self._prompts = _sorted({p.prompt.name: p for p in prompts})

    def _offered(self, registered: Registered) -> bool:
        capability, profile = registered.capability, self._profile
        if profile in {"full", "discovery"}:
            return capability.tool and (profile == "full" or not capability.advanced)
        return capability.tool and registered.plugin in {name.strip() for name in profile.split(",")}


def authorise(registered: Registered, caller: Caller) -> None:
    """Raises Forbidden unless the caller may use the capability."""
    scopes = registered.capability.scopes
    if not caller.may(scopes):
        raise Forbidden("This needs more rights.", scopes=sorted(scopes))


def _params(registered: Registered, arguments: Mapping[str, Any]) -> Any:
    capability = registered.capability
    try:
        given = dict(arguments) if capability.params is None else without_nulls(arguments)
        refuse_nul(given)
        check(registered.input, capability.input_schema, given)
    except RecursionError:
        raise InvalidParams("", "nested too deeply") from None
    return given if capability.params is None else _build(capability.params, given)


def _prompt_params(prompt: Prompt, arguments: Mapping[str, str]) -> Any:
    if prompt.params is None:
        return dict(arguments)
    known = list(prompt.params.model_fields)
    for name in arguments:
        if name not in known:
            raise InvalidParams(name[:64], "is not an argument", allowed=known)
    return _build(prompt.params, arguments)


def _build(model: type[BaseModel], given: Mapping[str, Any]) -> BaseModel:
    """Build the params; what the schema cannot say (patterns across fields, say) is refused here."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field_path = ".".join(str(part) for part in fault["loc"])
        problem = "is required" if fault["type"] == "missing" else fault["msg"].removeprefix("Value error, ")
        raise InvalidParams(field_path, problem) from None


async def _contained(name: str, run: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Run a plugin's code: within the time limit, and with nothing but a GatewayError coming out."""
    try:
        with anyio.CancelScope() as scope:
            # Its deadline would be set, and looked at, more often than a call takes.
            late = asyncio.get_running_loop().call_later(seconds, scope.cancel)
            try:
                return await run()
            finally:
                late.cancel()
    except GatewayError:
        raise
    except BaseException as error:  # a handler's SystemExit ends a call, not the gateway
        if isinstance(error, anyio.get_cancelled_exc_class()) and _is_cancelled():
            raise
        reference = token_hex(6)
        log.error("a call failed", extra={"capability": name, "reference": reference}, exc_info=error)
        raise InternalError(reference) from None
    raise Unavailable(f"This took longer than {seconds:g} seconds and was stopped.")


def _is_cancelled() -> bool:
    """Whether somebody asked this very task to stop: a handler may also let out the cancellation of another."""
    return (task := asyncio.current_task()) is not None and task.cancelling() > 0


def _outcome(registered: Registered, result: Any) -> Outcome:
    capability = registered.capability
    if capability.result is None and isinstance(result, Content):
        return Outcome(content=result)
    if capability.result is not None and isinstance(result, BaseModel):
        value = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        if registered.output is None or registered.output.is_valid(value):
            return Outcome(value=value)
    facts = {"capability": capability.name, "reference": token_hex(6), "type": type(result).__name__}
    log.error("a result does not fit its schema", extra=facts)
    raise InternalError(facts["reference"])


def _completable(target: Registered | RegisteredPrompt) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    described = target.capability if isinstance(target, Registered) else target.prompt
    return described.completions, described.input_schema.get("properties", {})


def _find(known: Mapping[str, T], what: str, name: str) -> T:
    if name in known:
        return known[name]
    raise NotFound(what, name, nearest=get_close_matches(name[:200], known, n=3))


def _sorted(by_key: Mapping[Any, T]) -> dict[str, T]:
    return {key: by_key[key] for key in sorted(by_key)}
