"""How code becomes Markdown: tables, signatures, docstrings, schemas. `reference.py` puts the pages together."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import orjson
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises):$")
_LONGEST_SIGNATURE = 100


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """A Markdown table and the empty line after it."""
    head = list(head)
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(_cell(value) for value in row)} |"
    yield ""


def code(names: Iterable[str]) -> str:
    """Names with commas."""
    return ", ".join(f"`{name}`" for name in names)


def as_json(value: Any, *, indent: bool = False) -> str:
    """A value as JSON."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0).decode()


def json_block(value: Any) -> str:
    """A value as a block of JSON."""
    return f"```json\n{as_json(value, indent=True)}\n```\n"


def described(name: str, function: Any) -> Iterator[str]:
    """A function's signature and docstring under a heading."""
    yield f"### `{name}`\n"
    yield f"```python\n{_signature(name, function)}\n```\n"
    yield f"{markdown_of(inspect.getdoc(function) or '')}\n"


def class_section(cls: type) -> Iterator[str]:
    """A class with its fields and methods. How it is made is left out: plugins are given one."""
    notes = attribute_notes(cls)
    yield f"### `{cls.__name__}`\n"
    yield f"{(inspect.getdoc(cls) or '').partition(chr(10) + 'A')[0].strip()}\n"
    rows: list[list[str]] = []
    if is_dataclass(cls):
        rows += [[f"`{f.name}`: `{_plain(f.type)}`", notes.get(f.name, "")] for f in fields(cls) if f.name != "lent"]
    for name, member in vars(cls).items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        shown = (
            name if isinstance(member, property) else _signature(name, getattr(member, "__wrapped__", member), 10**6)
        )
        rows.append([f"`{shown}`", first_line(member)])
    yield from table(["member", "what"], rows)


def first_line(thing: Any) -> str:
    """What a docstring says first; empty for what has none of its own."""
    own = inspect.isclass(thing) or inspect.isroutine(thing) or isinstance(thing, property)
    return (inspect.getdoc(thing) or "").partition("\n")[0] if own else ""


def markdown_of(docstring: str) -> str:
    """A docstring with its sections as lists."""
    lines: list[str] = []
    inside = ""
    for line in docstring.splitlines():
        if found := _SECTION.match(line):
            inside = found[1]
            lines += [f"{inside}:", ""]
        elif not line.startswith(" ") or not inside:
            inside = inside if not line else ""
            lines.append(line)
        elif line.startswith("     ") and lines[-1]:
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(f"- {_entry(line.strip(), named=inside != 'Returns')}")
    return "\n".join(lines)


def attribute_notes(cls: type) -> dict[str, str]:
    """What the `Attributes:` of a docstring say, by name."""
    entries = re.findall(r"^- `([\w, ]+)`: (.*)$", markdown_of(inspect.getdoc(cls) or ""), re.MULTILINE)
    return {name.strip(): text for names, text in entries for name in names.split(",")}


def schema_table(title: str, schema: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> Iterator[str]:
    """The members of an object schema; nothing when it has none.

    Args:
        title: Heads the first column; of parameters, the required ones are marked.
        schema: The schema.
        notes: What members mean whose schema has no description.
    """
    required = schema.get("required", ()) if title == "parameter" else ()
    rows = [
        [
            f"`{name}`{' (required)' if name in required else ''}",
            _type_with_default(member),
            member.get("description") or (notes or {}).get(name, ""),
        ]
        for name, member in _members(schema)
    ]
    if rows:
        yield from table([title, "type", "what"], rows)


def settings_table(model: type[BaseModel]) -> Iterator[str]:
    """The keys of a section of the settings."""
    rows = (
        [f"`{key}`", _setting_type(field), _default(key, field), field.description]
        for key, field in model.model_fields.items()
    )
    yield from table(["key", "type", "default", "what"], rows)


def _cell(value: Any) -> str:
    return ("" if value is None else str(value)).replace("|", "\\|").replace("\n", " ")


def _entry(text: str, *, named: bool) -> str:
    name, separator, rest = text.partition(": ")
    return f"`{name}`: {rest}" if separator and named else text


def _signature(name: str, function: Any, longest: int = _LONGEST_SIGNATURE) -> str:
    """The call as it is written: without quotes, modules and `self`; a long one with a line for each parameter."""
    signature = inspect.signature(function)
    own = [_without_address(p) for p in signature.parameters.values() if p.name != "self"]
    text = name + _plain(signature.replace(parameters=own))
    if len(text) <= longest:
        return text
    lines: list[str] = []
    for parameter in own:
        if parameter.kind is parameter.KEYWORD_ONLY and "    *," not in lines:
            lines.append("    *,")
        lines.append(f"    {_plain(parameter)},")
    return "\n".join([f"{name}(", *lines, f") -> {_plain(signature.return_annotation)}"])


def _without_address(parameter: inspect.Parameter) -> inspect.Parameter:
    """A default that is a mere marker would be shown with its address, which differs from run to run."""
    is_marker = type(parameter.default) is object
    return parameter.replace(default=...) if is_marker else parameter


def _plain(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", text.replace("'", "").replace("Ellipsis", "..."))


def _members(schema: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every property, those of inner objects by dotted names."""
    for name, member in schema.get("properties", {}).items():
        yield f"{prefix}{name}", member
        inner = member.get("items", member) if isinstance(member, dict) else {}
        if inner.get("type") == "object" and inner.get("properties"):
            yield from _members(inner, f"{prefix}{name}{'[]' if inner is not member else ''}.")


def _type_with_default(schema: Any) -> str:
    default = schema.get("default")
    return _type(schema) + ("" if default in (None, "") else f"; default `{as_json(default)}`")


def _type(schema: Any) -> str:
    if "enum" in schema:
        return code(schema["enum"])
    kind = schema.get("type", "any")
    if kind != "array":
        return f"{kind}{_bounds(schema.get('minimum'), schema.get('exclusiveMinimum'), schema.get('maximum'))}"
    most = schema.get("maxItems")
    return f"list of {_type(schema.get('items', {}))}" + (f", at most {most}" if most else "")


_WORDS: Mapping[Any, str] = {
    bool: "true or false", int: "whole number", float: "number", str: "text", Path: "path", SecretStr: "secret text",
}  # fmt: skip


def _setting_type(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if get_origin(annotation) is list:
        return "list"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{option}`" for option in get_args(annotation))
    annotation = next((a for a in get_args(annotation) if a is not type(None)), annotation)
    limits = {
        name: getattr(rule, name) for rule in field.metadata for name in ("ge", "gt", "le") if hasattr(rule, name)
    }
    return _WORDS.get(annotation, "table") + _bounds(limits.get("ge"), limits.get("gt"), limits.get("le"))


def _bounds(least: Any, above: Any, most: Any) -> str:
    lower = f"above {above:g}" if above is not None else f"at least {least:g}" if least is not None else ""
    upper = f"at most {most:g}" if most is not None else ""
    if least is not None and most is not None:
        return f", {least:g} to {most:g}"
    return "".join(f", {bound}" for bound in (lower, upper) if bound)


def _default(key: str, field: FieldInfo) -> str:
    if key == "data_dir":
        return "the user's data folder"
    value = field.get_default()
    if value is PydanticUndefined or value is None or value in ("", []):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
