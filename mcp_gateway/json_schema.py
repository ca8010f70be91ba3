"""JSON Schemas as models read them: everything that matters, nothing that costs tokens for no gain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

_EMPTY: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


def input_schema_of(model: type[BaseModel] | None) -> dict[str, Any]:
    """The schema of a tool's arguments."""
    return dict(_EMPTY) if model is None or not model.model_fields else _compact(_schema(model, "validation"))


def output_schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a result as it is sent: absent members instead of nulls."""
    schema = _compact(_schema(model, "serialization"))
    schema.pop("description", None)
    return schema


def _schema(model: type[BaseModel], mode: Any) -> dict[str, Any]:
    return model.model_json_schema(mode=mode, schema_generator=_Generator)


class _Generator(GenerateJsonSchema):
    """Without titles, and with an optional member not required although the model has its default."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        if self.mode == "serialization":
            return bool(field.get("schema", {}).get("type") != "default")
        return bool(super().field_is_required(field, total))

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def _compact(schema: dict[str, Any]) -> dict[str, Any]:
    definitions = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inline(schema, definitions)
    inlined.pop("description", None)
    inlined.setdefault("properties", {})
    return inlined


def _inline(node: Any, definitions: Mapping[str, Any]) -> Any:
    """Put definitions where they are used (ours never recur), and drop titles and null defaults."""
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = dict(definitions[node["$ref"].rsplit("/", 1)[1]])
        target.pop("description", None)
        return _inline({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    kept = {}
    for key, value in node.items():
        if key == "properties":
            kept[key] = {name: _inline(inner, definitions) for name, inner in value.items()}
        elif key == "title" or (key == "default" and value is None):
            continue
        else:
            kept[key] = _inline(value, definitions)
    return kept
