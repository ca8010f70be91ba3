"""When the client's model is asked, what is made of its answer, and that its failures cost nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import anyio
import pytest

from mcp_gateway.api import Answer, Call, Question, SamplingAnswer, SamplingRequest, Unavailable
from mcp_gateway.call import NoClient
from mcp_gateway_search.models import SearchParams, SearchResult
from mcp_gateway_search.reader import Models, QueryReader
from mcp_gateway_search.searching import TitleSearch
from mcp_gateway_search.tests.library import LIBRARY
from mcp_gateway_search.tests.world import World, open_world
from mcp_gateway_search.understanding.asking import checked
from mcp_gateway_search.understanding.lexicon import Lexicon

pytestmark = pytest.mark.anyio

DESCRIPTION = (
    "that film where some crew wakes early hears strange signal lands somewhere and afterwards something hatches inside"
)


class ModelClient(NoClient):
    """A client that lends its model, which says what it was told to."""

    can_sample = True

    def __init__(self, says: str | Exception | None) -> None:
        self.says = says
        self.asked: list[SamplingRequest] = []

    async def ask(self, questions: Mapping[str, Question]) -> Mapping[str, Answer]:
        """Answer, raise, or never come back."""
        ((key, question),) = questions.items()
        assert isinstance(question, SamplingRequest)
        self.asked.append(question)
        if isinstance(self.says, Exception):
            raise self.says
        if self.says is None:
            await anyio.sleep_forever()
        return {key: SamplingAnswer(str(self.says), "test-model")}


class Answers:
    """A cache of answers."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        """The value, if there is one."""
        return self.kept.get(key)

    async def set(self, key: str, value: bytes, *, ttl_seconds: float) -> None:
        """Keep it."""
        assert ttl_seconds > 0
        self.kept[key] = value


def asking(world: World, seconds: float = 5.0) -> tuple[TitleSearch, QueryReader]:
    """A search that may ask models."""
    reader = QueryReader(world.index, Lexicon.read(), Models(Answers(), ask_seconds=seconds))
    return TitleSearch(world.index, world.catalog, world.searching._cursors, reader), reader


async def found(search: TitleSearch, client: NoClient, query: str = DESCRIPTION) -> SearchResult:
    """Ask the tool."""
    with anyio.fail_after(10):
        return await search.search(SearchParams(query=query), Call(client=client))


async def test_a_description_that_rules_do_not_understand_is_put_to_the_clients_model(tmp_path: Path) -> None:
    client = ModelClient('Sure: {"titles": ["Alien", "The Thing"], "words": ["creature"], "year_from": null}')
    async with open_world(tmp_path, LIBRARY) as world:
        search, reader = asking(world)
        result = await found(search, client)

    assert result.items[0].title == "Alien"
    assert result.query.model_dump()["intent"]["source"] == "model"
    assert len(client.asked) == reader.calls.asked == 1
    assert DESCRIPTION in client.asked[0].messages[0].content.text  # type: ignore[union-attr]


async def test_an_answer_is_asked_for_once(tmp_path: Path) -> None:
    client = ModelClient('{"titles": ["Alien"]}')
    async with open_world(tmp_path, LIBRARY) as world:
        search, reader = asking(world)
        for query in (DESCRIPTION, DESCRIPTION.upper(), DESCRIPTION + "!"):
            assert (await found(search, client, query)).items[0].title == "Alien"

    assert (len(client.asked), reader.calls.cached) == (1, 2)


@pytest.mark.parametrize(
    "query", ["alien", "the dark knigth", "keanu reeves", "90s action with keanu reeves", "movies about aliens", ""]
)
async def test_what_rules_understand_is_not_asked(tmp_path: Path, query: str) -> None:
    client = ModelClient('{"titles": ["Heat"]}')
    async with open_world(tmp_path, LIBRARY) as world:
        search, reader = asking(world)
        await found(search, client, query)

    assert client.asked == []
    assert reader.calls.saved == (1 if query else 0)


@pytest.mark.parametrize(
    "says",
    [
        "I do not know", "{}}", '{"titles": "Alien"}', '{"titles": ["' + "x" * 300 + '"]}', '{"year_from": 99999}', "",
        '{"titles": [' + '"a",' * 5000 + '"b"]}', Unavailable("The client declined."),
    ],
)  # fmt: skip
async def test_an_answer_of_another_form_or_none_leaves_the_search_as_it_is(
    tmp_path: Path, says: str | Exception
) -> None:
    async with open_world(tmp_path, LIBRARY) as world:
        search, reader = asking(world)
        with_model = await found(search, ModelClient(says))
        without = await found(search, NoClient())

    assert [item.id for item in with_model.items] == [item.id for item in without.items]
    assert reader.calls.failed == 1


async def test_a_model_that_does_not_answer_is_not_waited_for_long(tmp_path: Path) -> None:
    async with open_world(tmp_path, LIBRARY) as world:
        search, reader = asking(world, seconds=0.01)
        await found(search, ModelClient(None))

    assert reader.calls.failed == 1


async def test_a_title_that_the_catalogue_lacks_is_not_invented(tmp_path: Path) -> None:
    async with open_world(tmp_path, LIBRARY) as world:
        search, _ = asking(world)
        result = await found(search, ModelClient('{"titles": ["No Such Film"], "words": ["zebra"]}'))

    assert "No Such Film" not in [item.title for item in result.items]


def test_only_the_form_asked_for_is_accepted() -> None:
    told = checked('```json\n{"titles": ["Alien"], "words": ["egg"], "year_from": 1979, "extra": 1}\n```')

    assert told is not None
    assert (told.titles, told.words, told.year_from, told.year_to) == (["Alien"], ["egg"], 1979, None)
