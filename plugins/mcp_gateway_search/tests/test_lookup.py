"""get_titles, the resources of titles and people, and the completion of their ids."""

from __future__ import annotations

import pytest

from mcp_gateway.api import Call, InvalidParams, NotFound
from mcp_gateway.catalog.models import person_id_of
from mcp_gateway_search.models import GetTitlesParams, PersonIdParams, TitleIdParams, TitleList
from mcp_gateway_search.tests.world import World

pytestmark = pytest.mark.anyio


async def get(films: World, *ids: str, **params: object) -> TitleList:
    """Ask `get_titles`."""
    return await films.lookup.get_titles(GetTitlesParams.model_validate({"ids": ids, **params}), Call())


async def test_titles_come_in_the_order_asked_for_each_once_and_unknown_ones_are_named(films: World) -> None:
    found = await get(films, "tt0133093", "tt9999999", "tt0087182", "tt0133093", detail="concise")

    assert [item.id for item in found.items] == ["tt0133093", "tt0087182"]
    assert found.missing == ["tt9999999"]
    assert found.omitted is None


async def test_concise_titles_are_those_of_a_search(films: World) -> None:
    (searched,) = (await films.search("dune 1984", limit=1)).items

    assert (await get(films, "tt0087182", detail="concise")).items == [searched]


async def test_only_the_members_asked_for_are_told(films: World) -> None:
    found = await get(films, "tt0468569", fields=["runtime_minutes", "platforms"])

    assert found.model_dump(exclude_none=True)["items"] == [
        {"id": "tt0468569", "title": "The Dark Knight", "kind": "movie", "runtime_minutes": 152,
         "platforms": ["apple_tv_store", "netflix"]}
    ]  # fmt: skip


async def test_an_unknown_member_is_an_error_that_names_the_nearest(films: World) -> None:
    with pytest.raises(InvalidParams) as error:
        await get(films, "tt0468569", fields=["runtime"])

    assert error.value.data["nearest"] == "runtime_minutes"
    assert "genres" in error.value.data["allowed"]


async def test_a_title_is_told_with_everything(films: World) -> None:
    told = await films.lookup.title(TitleIdParams(id="tt0113247"), Call())

    assert (told.title, told.alternative_titles, told.language) == ("La Haine", ["Hate"], "fr")


async def test_an_unknown_title_is_not_found_and_similar_ids_are_named(films: World) -> None:
    with pytest.raises(NotFound) as error:
        await films.lookup.title(TitleIdParams(id="tt0133094"), Call())

    assert error.value.data["nearest"] == ["tt0133093"]


async def test_a_person_is_told_with_their_titles_by_id_or_name(films: World) -> None:
    by_id = await films.lookup.person(PersonIdParams(id=person_id_of("Christopher Nolan")), Call())
    by_name = await films.lookup.person(PersonIdParams(id="christopher NOLAN"), Call())

    assert by_id == by_name
    assert by_id.name == "Christopher Nolan"
    assert [(credit.id, credit.role) for credit in by_id.credits] == [
        ("tt0468569", "director"),
        ("tt1345836", "director"),
    ]
    assert by_id.total == 2


async def test_an_unknown_person_is_not_found_and_similar_names_are_given(films: World) -> None:
    with pytest.raises(NotFound, match=r"Christopher Nolan \(pn"):
        await films.lookup.person(PersonIdParams(id="christopher no"), Call())


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("dar", ["tt0468569", "tt1345836", "tt2258647"]),
        ("the dark k", ["tt0468569", "tt1345836", "tt2258647"]),
        ("knight r", ["tt1345836"]),
        ("tt04", ["tt0468569"]),
        ("fabuleux", ["tt0211915"]),
        ("zzz", []),
    ],
)
async def test_the_beginning_of_a_name_or_id_completes_to_ids(films: World, typed: str, expected: list[str]) -> None:
    assert list(await films.lookup.complete_title(typed, Call())) == expected


async def test_nothing_typed_completes_to_the_most_popular(films: World) -> None:
    assert (await films.lookup.complete_title("", Call()))[:2] == ["tt0468569", "tt0133093"]


@pytest.mark.parametrize("typed", ['"', "a:b *", "\x00", "x" * 5000, "é" * 3000, "..."])
async def test_anything_typed_completes_to_something_or_nothing(films: World, typed: str) -> None:
    assert len(await films.lookup.complete_title(typed, Call())) <= 100
    assert len(await films.lookup.complete_person(typed, Call())) <= 100


async def test_the_beginning_of_a_name_completes_to_the_persons_id(films: World) -> None:
    assert person_id_of("Keanu Reeves") in await films.lookup.complete_person("keanu", Call())
