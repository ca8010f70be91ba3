"""Titles and people by id: the tool `get_titles`, the resources of titles and people, and completion of their ids."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from mcp_gateway.api import Call, InvalidParams, NotFound
from mcp_gateway.catalog.models import Credit, Title, person_id_of
from mcp_gateway.catalog.store import Catalog

from .budget import fitting
from .cards import NAME_CHARS, card_of, clip, details_of
from .index import TitleIndex
from .models import (
    GetTitlesParams,
    PersonCredit,
    PersonDetails,
    PersonIdParams,
    TitleDetails,
    TitleIdParams,
    TitleItem,
    TitleList,
)
from .retrieval import beginning_with
from .understanding.words import words_of

MAX_COMPLETIONS = 100
MAX_CREDITS = 100

_ALWAYS = ("id", "title", "kind")
_FIELDS = [name for name in TitleDetails.model_fields if name != "explanation"]


class Lookup:
    """Tells what the catalogue knows of single titles and people."""

    def __init__(self, catalog: Catalog, index: TitleIndex) -> None:
        self._catalog = catalog
        self._index = index

    async def get_titles(self, params: GetTitlesParams, call: Call) -> TitleList:
        """Facts about titles by id: cast, plot, ratings, external ids, platforms."""
        fields = _checked(params.fields or ())
        ids = list(dict.fromkeys(params.ids))
        found = await self._catalog.get(ids)
        known = [title_id for title_id in ids if title_id in found]
        if params.detail == "concise" and not fields:
            items: Sequence[TitleItem] = [card_of(found[title_id]) for title_id in known]
        else:
            items = await self._details([found[title_id] for title_id in known])
        if fields:
            items = [_only(item, fields) for item in items]
        kept = fitting(items)
        return TitleList(
            items=list(items[:kept]),
            missing=[title_id for title_id in ids if title_id not in found],
            omitted=known[kept:] or None,
        )

    async def title(self, params: TitleIdParams, call: Call) -> TitleDetails:
        """A film, series, season or episode with all that the catalogue knows of it."""
        found = await self._catalog.get([params.id])
        if params.id not in found:
            raise NotFound("title", params.id, nearest=self._index.ids_beginning(params.id[:-1], 5))
        return (await self._details([found[params.id]]))[0]

    async def complete_title(self, typed: str, call: Call) -> Sequence[str]:
        """Ids of titles for the beginning of an id or of words of a name, the most popular first."""
        by_id = self._index.ids_beginning(typed, MAX_COMPLETIONS) if typed else []
        words, _ = words_of(typed)
        hits = self._index.search(
            beginning_with(self._index.schema, words), limit=MAX_COMPLETIONS, order_by="by_popularity"
        )
        return list(dict.fromkeys((*by_id, *self._index.ids(hits))))[:MAX_COMPLETIONS]

    async def person(self, params: PersonIdParams, call: Call) -> PersonDetails:
        """A person and the titles they directed, wrote or played in."""
        person = await self._catalog.person(params.id) or await self._catalog.person(person_id_of(params.id))
        if person is None:
            like = await self._catalog.people_like(params.id, 5)
            raise NotFound("person", params.id, nearest=[f"{other.name} ({other.id})" for other in like])
        parts = await self._catalog.filmography(person.id)
        shown = parts[:MAX_CREDITS]
        titles = await self._catalog.get([title_id for title_id, _ in shown])
        return PersonDetails(
            id=person.id,
            name=clip(person.name, NAME_CHARS),
            total=len(parts),
            credits=[_credit(titles[title_id], credit) for title_id, credit in shown if title_id in titles],
        )

    async def complete_person(self, typed: str, call: Call) -> Sequence[str]:
        """Ids of people whose name begins so."""
        return [person.id for person in await self._catalog.people_like(typed, MAX_COMPLETIONS)]

    async def _details(self, titles: Sequence[Title]) -> list[TitleDetails]:
        offers = await self._catalog.offers([title.id for title in titles])
        return [details_of(title, offers.get(title.id, ())) for title in titles]


def _checked(fields: Sequence[str]) -> Sequence[str]:
    for name in fields:
        if name not in _FIELDS:
            close = get_close_matches(name, _FIELDS, n=1)
            raise InvalidParams(
                "fields", f"{name[:60]!r} is no member of a title", allowed=_FIELDS, nearest=close[0] if close else None
            )
    return fields


def _only(item: TitleItem, fields: Sequence[str]) -> TitleItem:
    """The item with nothing but what was asked for, and what tells which title it is."""
    chosen = {name: getattr(item, name) for name in (*_ALWAYS, *fields)}
    return TitleDetails.model_validate(chosen)


def _credit(title: Title, credit: Credit) -> PersonCredit:
    return PersonCredit(
        id=title.id,
        title=clip(title.name, NAME_CHARS),
        year=title.year,
        kind=title.kind,
        role=credit.role,
        character=clip(credit.character, NAME_CHARS) if credit.character else None,
    )
