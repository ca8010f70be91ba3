"""A capability is written once; what does not fit together is refused when it is written."""

from collections.abc import Callable

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic.errors import PydanticInvalidForJsonSchema

from mcp_gateway.call import Call
from mcp_gateway.capability import Definition, NoParams, capability, prompt, variables_of
from mcp_gateway.content import Content, Text


class EchoParams(BaseModel):
    """What to echo."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    text: str = Field(description="The text.", max_length=5)
    times: int | None = Field(None, ge=1, description="How often.")


class EchoResult(BaseModel):
    """The echo."""

    text: str
    note: str | None = None


async def echo(params: EchoParams, call: Call) -> EchoResult:
    """Repeat the text."""
    return EchoResult(text=params.text * (params.times or 1))


def test_schemas_and_description_come_from_the_handler() -> None:
    built = capability("echo_text", echo)

    assert built.description == "Repeat the text."
    assert built.title == "Echo text"
    assert built.input_schema == {
        "type": "object",
        "properties": {
            "text": {"description": "The text.", "maxLength": 5, "type": "string"},
            "times": {"description": "How often.", "minimum": 1, "type": "integer"},
        },
        "required": ["text"],
        "additionalProperties": False,
    }
    assert built.output_schema == {
        "type": "object",
        "properties": {"text": {"type": "string"}, "note": {"type": "string"}},
        "required": ["text"],
    }


def test_a_handler_without_params_has_an_empty_closed_schema() -> None:
    async def ping(params: NoParams, call: Call) -> Content:
        """Answer."""
        return Content([Text("pong")])

    built = capability("ping_it", ping)

    assert built.input_schema == {"type": "object", "properties": {}, "additionalProperties": False}
    assert built.output_schema is None


class Undescribable(BaseModel, extra="forbid"):
    """No JSON can be one of these."""

    name: str
    call_me: Callable[[], None]


class UndescribableLater(Undescribable, defer_build=True):
    """The same, of which pydantic makes nothing before it is used."""


async def use_now(params: Undescribable, call: Call) -> Content:
    """Use it."""
    return Content([])


async def use_later(params: UndescribableLater, call: Call) -> Content:
    """Use it."""
    return Content([])


def test_a_model_that_has_no_schema_is_refused_at_once() -> None:
    with pytest.raises(PydanticInvalidForJsonSchema):
        capability("use_it", use_now)


def test_a_model_whose_building_is_deferred_is_described_when_somebody_asks() -> None:
    built = capability("use_it", use_later, uri="media://x/{name}")

    with pytest.raises(PydanticInvalidForJsonSchema):
        _ = built.input_schema


def test_variables_are_held_against_the_fields_of_a_model_whose_building_is_deferred() -> None:
    with pytest.raises(Definition, match="variable 'nope'"):
        capability("use_it", use_later, uri="media://x/{nope}")


def test_a_schema_of_ones_own_is_kept_unchanged() -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "$defs": {"a": {}}}

    async def anything(params: dict, call: Call) -> Content:  # type: ignore[type-arg]  # a raw dict is the point
        """Take anything."""
        return Content([])

    assert capability("any_thing", anything, input_schema=schema).input_schema is schema


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"uri": "media://x/{nope}"}, "variable 'nope'"),
        ({"rest": "GET /x/{nope}"}, "variable 'nope'"),
        ({"rest": "FETCH /x"}, "rest must be like"),
        ({"uri": "media://x", "read_only": False}, "must be read-only"),
        ({"uri": "no-scheme"}, "is not a URI"),
        ({"completions": {"nope": None}}, "completes 'nope'"),
        ({"destructive": True}, "both read-only and destructive"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(options: dict[str, object], told: str) -> None:
    with pytest.raises(Definition, match=r"^echo_text: ") as caught:
        capability("echo_text", echo, **options)  # type: ignore[arg-type]  # wrong on purpose

    assert told in str(caught.value)


def test_a_bad_name_is_refused() -> None:
    with pytest.raises(Definition, match="is not a name"):
        capability("with space", echo)


def test_params_that_accept_unknown_fields_are_refused() -> None:
    class Open(BaseModel):
        """Open."""

    async def handler(params: Open, call: Call) -> EchoResult:
        """Do."""
        return EchoResult(text="")

    with pytest.raises(Definition, match="must forbid unknown fields"):
        capability("do_it", handler)


def test_a_handler_without_docstring_is_refused() -> None:
    async def silent(params: NoParams, call: Call) -> EchoResult:
        return EchoResult(text="")

    with pytest.raises(Definition, match="no docstring"):
        capability("silent_one", silent)


def test_a_handler_of_the_wrong_shape_is_refused() -> None:
    async def lonely(params: NoParams) -> EchoResult:
        """Do."""
        return EchoResult(text="")

    with pytest.raises(Definition, match=r"async def handler\(params, call\)"):
        capability("lonely_one", lonely)  # type: ignore[arg-type]  # wrong on purpose


def test_a_prompt_refuses_completions_of_what_is_no_argument() -> None:
    async def ask(params: EchoParams, call: Call) -> str:
        """Ask."""
        return params.text

    async def complete(value: str, call: Call) -> list[str]:
        return [value]

    with pytest.raises(Definition, match="not its arguments"):
        prompt("ask_it", ask, completions={"nope": complete})


def test_variables_of_a_template_are_found_in_order() -> None:
    assert variables_of("media://t/{id}/a/{region}{?q,limit}{/path*}") == ("id", "region", "q", "limit", "path")
