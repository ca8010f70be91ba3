"""What callers send, held against a JSON Schema: coerced from text where it came as text, and explained when wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import orjson
from mcp.shared.path_security import contains_path_traversal, is_absolute_path

from mcp_gateway.errors import InvalidParams, nearest

MAX_ALLOWED_SHOWN = 40
MAX_DEPTH = 8


class Validator(Protocol):
    """A compiled schema."""

    def is_valid(self, instance: Any) -> bool:
        """Whether the instance fits."""
        ...

    def validate(self, instance: Any) -> None:
        """Raise the first fault of the instance, a ValueError."""
        ...


def compile_schema(schema: Mapping[str, Any]) -> Validator:
    """Compile a schema once, to validate often. References to other documents are never fetched.

    Raises:
        ValueError: It is not a JSON Schema.
    """
    import jsonschema_rs  # 6 MB that a gateway without calls does without

    return jsonschema_rs.validator_for(dict(schema), offline=True)


def check(validator: Validator, schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Let valid arguments pass.

    Raises:
        InvalidParams: An unknown name, else the first fault, with its field, what is allowed and the nearest value.
    """
    if not validator.is_valid(arguments):
        _refuse_unknown(schema, arguments)
        try:
            # Not `iter_errors`, which makes them all: a million wrong items would stop the gateway for a minute.
            validator.validate(arguments)
        except ValueError as fault:
            if not hasattr(fault, "instance_path"):  # it gave up: its recursion has a limit
                raise InvalidParams("", "nested too deeply") from None
            raise _explain(fault, schema) from None


def _refuse_unknown(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    known = list(schema.get("properties", {}))
    unknown = None if schema.get("additionalProperties", True) else next((n for n in arguments if n not in known), None)
    if unknown is not None:
        raise _unknown([], unknown, known)


def is_suspect(value: str | list[str]) -> bool:
    """Whether a variable of a URI or route could climb out of where it belongs, or hide something."""
    parts = [value] if isinstance(value, str) else value
    return any(contains_path_traversal(p) or is_absolute_path(p) or not p.isprintable() for p in parts)


def refuse_nul(value: Any) -> None:
    """Let values pass that no database chokes on.

    Raises:
        InvalidParams: A text contains the character NUL.
    """
    if isinstance(value, str):
        if "\0" in value:
            raise InvalidParams("", "text must not contain the character NUL")
    elif isinstance(value, Mapping):
        for inner in value.values():
            refuse_nul(inner)
    elif isinstance(value, list) and any(isinstance(inner, str) and "\0" in inner for inner in value):
        refuse_nul("\0")  # records in lists are looked at one by one, by whoever takes them in


def without_nulls(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out members that are null: models often send one for every optional parameter."""
    return {
        name: without_nulls(value) if isinstance(value, dict) else value
        for name, value in arguments.items()
        if value is not None
    }


def from_text(schema: Mapping[str, Any], values: Mapping[str, str | Sequence[str]]) -> dict[str, Any]:
    """Read arguments that came as text, from a URI, a query string or a command line, as the schema has them.

    Args:
        schema: An object schema.
        values: By name; `filters.year_from` reaches into an object, several values make a list.

    Returns:
        Arguments still to be checked: text that is not what the schema wants stays text.
    """
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split(".", MAX_DEPTH)
        target, inner = arguments, schema
        for parent in parents:
            inner = _property(inner, parent)
            step = target.setdefault(parent, {})
            target = step if isinstance(step, dict) else {}
        target[last] = _coerce(_property(inner, last), value)
    return arguments


def _property(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = schema.get("properties", {}).get(name)
    return found if isinstance(found, Mapping) else {}


def _coerce(schema: Mapping[str, Any], value: str | Sequence[str]) -> Any:
    if schema.get("type") in {"array", "object"} and isinstance(value, str | list) and _looks_like_json(value):
        return _json(value[0] if isinstance(value, list) else value)
    if schema.get("type") == "array":
        items = [value] if isinstance(value, str) else value
        return [_coerce(schema.get("items", {}), item) for item in items]
    text = value if isinstance(value, str) else value[-1]
    match schema.get("type"):
        case "integer":
            return _number(text, int)
        case "number":
            return _number(text, float)
        case "boolean":
            return {"true": True, "1": True, "false": False, "0": False}.get(text.lower(), text)
    return text


def _looks_like_json(value: str | Sequence[str]) -> bool:
    text = value if isinstance(value, str) else value[0] if len(value) == 1 else ""
    return text.lstrip().startswith(("[", "{"))


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _number(text: str, kind: type[int] | type[float]) -> Any:
    try:
        return kind(text)
    except ValueError:
        return text


def _unknown(path: Sequence[str], name: str, known: Sequence[str]) -> InvalidParams:
    close = nearest(name, known)
    return InvalidParams(_shown([*path, name]), "is not a parameter", allowed=known, nearest=close)


def _explain(fault: Any, schema: Mapping[str, Any]) -> InvalidParams:
    path = [str(part) for part in fault.instance_path]
    details = fault.kind.as_dict()
    match fault.kind.name:
        case "additionalProperties":
            known = list(_object_at(schema, fault.instance_path).get("properties", {}))
            return _unknown(path, details["unexpected"][0], known)
        case "required":
            return InvalidParams(_shown([*path, details["property"]]), "is required")
        case "enum":
            options = [str(option) for option in details["options"]]
            close = nearest(str(fault.instance), options)
            return InvalidParams(_shown(path), "is not allowed", allowed=options[:MAX_ALLOWED_SHOWN], nearest=close)
        case "type":
            return InvalidParams(_shown(path), f"must be of type {' or '.join(details['types'])}")
        case kind:
            return InvalidParams(_shown(path), _bound(kind, details))


_BOUNDS = {
    "minimum": "must be at least {limit}",
    "maximum": "must be at most {limit}",
    "exclusiveMinimum": "must be more than {limit}",
    "exclusiveMaximum": "must be less than {limit}",
    "minLength": "must have at least {limit} characters",
    "maxLength": "must have at most {limit} characters",
    "minItems": "must have at least {limit} items",
    "maxItems": "must have at most {limit} items",
}


def _bound(kind: str, details: Mapping[str, Any]) -> str:
    text = _BOUNDS.get(kind)
    return text.format(**details) if text and "limit" in details else f"does not fit the schema ({kind})"


def _object_at(schema: Mapping[str, Any], path: Sequence[Any]) -> Mapping[str, Any]:
    for part in path:
        inner = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        schema = inner if isinstance(inner, Mapping) else {}
    return schema


def _shown(path: Sequence[str]) -> str:
    return ".".join(path)[:200] or "arguments"
