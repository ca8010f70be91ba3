"""A capability is one typed operation, written once: tool, resource, completion and REST route are read off it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from pydantic import BaseModel

from mcp_gateway.call import Call
from mcp_gateway.content import Content, Message
from mcp_gateway.json_schema import input_schema_of, output_schema_of

Handler = Callable[[Any, Call], Awaitable[Any]]
Completer = Callable[[str, Call], Awaitable[Sequence[str]]]
PromptHandler = Callable[[Any, Call], Awaitable[Sequence[Message] | str]]

_VARIABLE = re.compile(r"\{[?&/#.+]?([A-Za-z0-9_,*]+)\}")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


class Definition(Exception):
    """A capability or prompt is written wrongly; the message names it."""


@dataclass(frozen=True, slots=True)
class Route:
    """A REST route: `{name}` in the path and the query (GET, DELETE) or JSON body (else) are the params."""

    method: str
    path: str

    @property
    def variables(self) -> tuple[str, ...]:
        """The names in the path."""
        return variables_of(self.path)


@dataclass(frozen=True, kw_only=True)
class Capability:
    """One operation. Build it with `capability()`.

    Attributes:
        params: The model of the parameters; None when `given_schema` describes them and the handler takes a dict.
        result: The model of the result, or None when the handler returns `Content`.
        tool: Whether it is offered as a tool.
        uri: The resource's URI, or URI template (RFC 6570).
        advanced: Kept out of the default tool profile.
    """

    name: str
    title: str
    description: str
    handler: Handler
    params: type[BaseModel] | None
    result: type[BaseModel] | None
    given_schema: Mapping[str, Any] | None
    tool: bool
    uri: str | None
    mime_type: str | None
    rest: Route | None
    completions: Mapping[str, Completer]
    scopes: frozenset[str]
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool
    timeout_seconds: float | None
    advanced: bool

    @property
    def is_template(self) -> bool:
        """Whether the URI has variables."""
        return self.uri is not None and bool(variables_of(self.uri))

    @cached_property
    def input_schema(self) -> Mapping[str, Any]:
        """JSON Schema of the arguments."""
        return input_schema_of(self.params) if self.given_schema is None else self.given_schema

    @cached_property
    def output_schema(self) -> Mapping[str, Any] | None:
        """JSON Schema of the result as it is sent; None when that is `Content`."""
        return output_schema_of(self.result) if self.result else None

    @property
    def is_deferred(self) -> bool:
        """Whether its schemas are made, and compiled, at their first use: pydantic is to build its models then too."""
        return self.given_schema is None and _is_deferred(self.params, self.result)

    @property
    def parameters(self) -> Set[str]:
        """The names of the arguments."""
        return set(self.given_schema.get("properties", {})) if self.given_schema else _names(self.params)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt that users pick. Build it with `prompt()`."""

    name: str
    title: str
    description: str
    handler: PromptHandler
    params: type[BaseModel] | None
    completions: Mapping[str, Completer]

    @cached_property
    def input_schema(self) -> Mapping[str, Any]:
        """JSON Schema of the arguments."""
        return input_schema_of(self.params)


def capability(
    name: str,
    handler: Handler,
    *,
    title: str | None = None,
    description: str | None = None,
    tool: bool = True,
    uri: str | None = None,
    mime_type: str | None = None,
    rest: str | None = None,
    completions: Mapping[str, Completer] | None = None,
    scopes: frozenset[str] | set[str] = frozenset(),
    read_only: bool = True,
    destructive: bool = False,
    idempotent: bool = False,
    open_world: bool = False,
    timeout_seconds: float | None = None,
    advanced: bool = False,
    input_schema: Mapping[str, Any] | None = None,
) -> Capability:
    """Describe an operation.

    Types come from the handler's annotations, `async def handler(params: Model, call: Call) -> Model`;
    the description is its docstring. A handler without parameters takes `params: NoParams`.
    Models with `defer_build=True` are described when somebody first asks, which the start does not wait for.

    Args:
        name: `verb_noun`, unique in the gateway.
        title: For people; by default the name in words.
        tool: False for what is only a resource or a route.
        uri: Makes it a resource, or with `{variables}` a resource template; the variables are params.
        mime_type: Of the resource; JSON by default.
        rest: `"GET /api/v1/…"`; path variables, and query or JSON body, are the params.
        completions: By variable or argument, what completes it.
        scopes: What a caller must have been granted.
        read_only: Changes nothing.
        destructive: May destroy what cannot be brought back.
        idempotent: Calling again with the same params changes nothing more. Reading always is.
        open_world: Reaches beyond the gateway's own data.
        timeout_seconds: Instead of the gateway's `call_seconds`.
        advanced: Kept out of the default tool profile, `discovery`.
        input_schema: JSON Schema for a handler that takes a plain dict; passed on to clients unchanged.

    Raises:
        Definition: Something does not fit together; the message says what.
    """
    hints = _hints(name, handler)
    params = _params_model(name, hints[0], input_schema)
    result = _result_model(name, hints[1])
    built = Capability(
        name=name,
        title=title or name.replace("_", " ").capitalize(),
        description=_description(name, handler, description),
        handler=handler,
        params=params,
        result=result,
        given_schema=input_schema,
        tool=tool,
        uri=uri,
        mime_type=mime_type or ("application/json" if result else None),
        rest=_route(name, rest),
        completions=dict(completions or {}),
        scopes=frozenset(scopes),
        read_only=read_only,
        destructive=destructive,
        idempotent=idempotent or read_only,
        open_world=open_world,
        timeout_seconds=timeout_seconds,
        advanced=advanced,
    )
    _check(built)
    if not built.is_deferred:
        _ = built.input_schema, built.output_schema  # what has none is refused here
    return built


def prompt(
    name: str,
    handler: PromptHandler,
    *,
    title: str | None = None,
    description: str | None = None,
    completions: Mapping[str, Completer] | None = None,
) -> Prompt:
    """Describe a prompt: `async def handler(params: Model, call: Call) -> list[Message] | str`.

    The fields of the model are the prompt's arguments; their values arrive as text.

    Raises:
        Definition: Something does not fit together; the message says what.
    """
    if not _NAME.fullmatch(name):
        raise Definition(f"{name!r} is not a name: 1 to 64 of A-Z a-z 0-9 _ . -")
    params = _params_model(name, _hints(name, handler)[0], None)
    unknown = set(completions or {}) - set(params.model_fields if params else ())
    if unknown:
        raise Definition(f"{name}: completes {sorted(unknown)}, which are not its arguments")
    built = Prompt(
        name=name,
        title=title or name.replace("_", " ").capitalize(),
        description=_description(name, handler, description),
        handler=handler,
        params=params,
        completions=dict(completions or {}),
    )
    if not _is_deferred(params):
        _ = built.input_schema
    return built


class NoParams(BaseModel, frozen=True, extra="forbid", defer_build=True):
    """For a handler that takes nothing."""


def variables_of(template: str) -> tuple[str, ...]:
    """The variable names of a URI template or route path, in order."""
    names = (name for group in _VARIABLE.findall(template) for name in group.split(","))
    return tuple(name.removesuffix("*") for name in names)


def _hints(name: str, handler: Callable[..., Any]) -> tuple[Any, Any]:
    parameters = list(inspect.signature(handler).parameters.values())
    if len(parameters) != 2 or not inspect.iscoroutinefunction(inspect.unwrap(handler)):
        raise Definition(f"{name}: the handler must be `async def handler(params, call)`")
    try:
        hints = get_type_hints(handler)
    except NameError as error:
        raise Definition(f"{name}: {error.name!r} in its annotations is not known at the top of its module") from None
    if parameters[0].name not in hints or "return" not in hints:
        raise Definition(f"{name}: the handler must annotate its params and its result")
    return hints[parameters[0].name], hints["return"]


def _params_model(name: str, annotation: Any, input_schema: Mapping[str, Any] | None) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation.model_config.get("extra") != "forbid":
            raise Definition(f'{name}: {annotation.__name__} must forbid unknown fields (extra="forbid")')
        return annotation
    if input_schema is None:
        raise Definition(f"{name}: params must be a pydantic model, or input_schema given")
    return None


def _result_model(name: str, annotation: Any) -> type[BaseModel] | None:
    if annotation is Content:
        return None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    raise Definition(f"{name}: the result must be a pydantic model or Content, not {annotation!r}")


def _description(name: str, handler: Callable[..., Any], description: str | None) -> str:
    text = inspect.cleandoc(description or handler.__doc__ or "")
    if not text:
        raise Definition(f"{name}: the handler has no docstring, and no description was given")
    return text


def _route(name: str, rest: str | None) -> Route | None:
    if rest is None:
        return None
    method, _, path = rest.partition(" ")
    if method not in _METHODS or not path.startswith("/"):
        raise Definition(f"{name}: rest must be like 'GET /api/v1/things/{{id}}', not {rest!r}")
    return Route(method, path)


def _check(built: Capability) -> None:
    if not _NAME.fullmatch(built.name):
        raise Definition(f"{built.name!r} is not a name: 1 to 64 of A-Z a-z 0-9 _ . -")
    if built.uri is not None and not built.read_only:
        raise Definition(f"{built.name}: has a uri, so it must be read-only")
    if built.uri is not None and ":" not in built.uri:
        raise Definition(f"{built.name}: {built.uri!r} is not a URI")
    if built.destructive and built.read_only:
        raise Definition(f"{built.name}: cannot be both read-only and destructive")
    fields = built.parameters
    variables = {*variables_of(built.uri or ""), *(built.rest.variables if built.rest else ())}
    for name in sorted(variables - fields):
        raise Definition(f"{built.name}: variable {name!r} of its uri or route is not a parameter")
    for name in sorted(set(built.completions) - fields):
        raise Definition(f"{built.name}: completes {name!r}, which is not a parameter")


def _names(model: type[BaseModel] | None) -> set[str]:
    """The names of a model's fields as they are sent."""
    fields = model.model_fields if model else {}
    return {str(field.validation_alias or name) for name, field in fields.items()}


def _is_deferred(*models: type[BaseModel] | None) -> bool:
    return all(model is None or model.model_config.get("defer_build", False) for model in models)
