"""Brings the shapes of HBO Max's own catalogue to one: an entity, its parents and its edits.

- A tree: a series with `seasons`, these with `episodes`, what can be played with `edits`.
- A list of `{id: "urn:hbo:…", body: {…}}` that name one another in `references`, as until 2023.
- JSON:API: `data` and `included` of the types `show`, `season` and `video`, as since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mcp_gateway.catalog.models import Kind

from .fields import MAX_ITEMS, Notes, first, identifier, mapping, objects, shown
from .normalizer import has_known_shape

Values = Mapping[Any, Any]
Reference = tuple[str, str]

_URN = "urn:hbo:"
_TREE_KINDS: Mapping[str, Kind] = {
    "feature": "movie", "movie": "movie", "standalone": "movie", "special": "movie",
    "series": "series", "show": "series", "miniseries": "series", "season": "season", "episode": "episode",
}  # fmt: skip
_VIDEO_KINDS: Mapping[str, Kind] = {"MOVIE": "movie", "STANDALONE": "movie", "EPISODE": "episode"}
_EXTRAS = frozenset({"TRAILER", "CLIP", "PROMO", "EXTRA", "SHORT_PREVIEW", "LIVE", "LISTING", "FOLLOWUP"})
_URN_KINDS: Mapping[str, Kind] = {"feature": "movie", "series": "series", "season": "season", "episode": "episode"}
# Relations of JSON:API, and the attributes of what they lead to that say its name.
_NAMED_RELATIONS = {"txGenres": "genres", "badges": "badges", "ratings": "ratings", "contentRatings": "ratings"}


@dataclass(frozen=True, slots=True)
class Entity:
    """A film, series, season or episode of the catalogue.

    Attributes:
        values: Its fields, under the names that trees use.
        parent: The id of its season, or series.
        edits: What can be played of it; None when the shape does not speak of edits at this level.
        video_id: The id that links to its player begin with; that of a page is another.
        territory: Where the payload is of.
    """

    kind: Kind
    id: str
    values: Values
    parent: str | None = None
    edits: list[dict[Any, Any]] | None = None
    video_id: str | None = None
    territory: object = None


def is_own(payload: object) -> bool:
    """Whether a payload has one of the shapes."""
    if isinstance(payload, list):
        return any(isinstance(item, dict) and _is_urn(item) for item in payload[:MAX_ITEMS])
    if not isinstance(payload, dict):
        return False
    if "included" in payload or _is_urn(payload):
        return True
    return "id" in payload and _tree_kind(payload) is not None and not has_known_shape(payload)


def entities(payload: Any, notes: Notes) -> list[Entity]:
    """The entities of a payload that `is_own`, in no order."""
    if isinstance(payload, list):
        return list(_of_urns([item for item in payload[:MAX_ITEMS] if isinstance(item, dict)], notes))
    if "included" in payload:
        return list(_of_resources(payload, notes))
    if _is_urn(payload):
        return list(_of_urns([payload], notes))
    return list(_of_tree(payload, notes))


def _is_urn(item: Values) -> bool:
    value = item.get("id")
    return isinstance(value, str) and value.startswith(_URN) and isinstance(item.get("body"), dict)


def _of_tree(node: Values, notes: Notes) -> Iterator[Entity]:
    kind, key = _tree_kind(node), identifier(node.get("id"))
    if kind is None or key is None:
        notes.add("id", node.get("id"))
        return
    territory = node.get("territory")
    yield _node(node, kind, key, identifier(node.get("seasonId")) or identifier(node.get("seriesId")), territory, notes)
    for season in objects(node, "seasons", notes) if kind == "series" else ():
        yield from _of_season(season, key, territory, notes)
    for episode in objects(node, "episodes", notes) if kind in {"series", "season"} else ():
        yield from _child(episode, "episode", key, territory, notes, node if kind == "season" else None)


def _tree_kind(node: Values) -> Kind | None:
    written = node.get(first(node, ("type", "kind")))
    return _TREE_KINDS.get(written.lower()) if isinstance(written, str) else None


def _of_season(season: Values, series: str, territory: object, notes: Notes) -> Iterator[Entity]:
    for entity in _child(season, "season", series, territory, notes):
        yield entity
        for episode in objects(season, "episodes", notes):
            yield from _child(episode, "episode", entity.id, entity.territory, notes, season)


def _child(
    node: Values, kind: Kind, parent: str, territory: object, notes: Notes, season: Values | None = None
) -> Iterator[Entity]:
    key = identifier(node.get("id"))
    if key is None:
        notes.add("id", node.get("id"))
    else:
        inherited = {name: season[name] for name in ("seasonNumber",) if season and name in season}
        yield _node({**inherited, **node}, kind, key, parent, node.get("territory", territory), notes)


def _node(node: Values, kind: Kind, key: str, parent: str | None, territory: object, notes: Notes) -> Entity:
    edits = objects(node, "edits", notes) if "edits" in node else None
    return Entity(kind, key, node, parent, edits, identifier(node.get("videoId")), territory)


def _of_urns(listed: list[dict[Any, Any]], notes: Notes) -> Iterator[Entity]:
    edits: dict[str, list[dict[Any, Any]]] = {}
    for item in listed:
        if _urn_type(item) == "edit":
            edits.setdefault(item["id"], []).append(mapping(item, "body"))
    for item in listed:
        kind, key = _URN_KINDS.get(_urn_type(item)), identifier(item.get("id"))
        if kind is None or key is None:
            continue
        body = mapping(item, "body")
        references = mapping(body, "references")
        parent = references.get("season") or references.get("series") if kind != "series" else None
        named = references.get("edits")
        urns = [urn for urn in named[:MAX_ITEMS] if isinstance(urn, str)] if isinstance(named, list) else []
        found = [edit for urn in urns for edit in edits.get(urn, ())]
        own = objects(body, "edits", notes) if "edits" in body else None
        parent_id = identifier(parent) if isinstance(parent, str) else None
        yield Entity(kind, key, body, parent_id, found or own, territory=body.get("territory"))


def _urn_type(item: Values) -> str:
    value = item.get("id")
    parts = value.split(":") if isinstance(value, str) else []
    return parts[2] if len(parts) >= 4 and isinstance(item.get("body"), dict) else ""


def _of_resources(payload: Values, notes: Notes) -> Iterator[Entity]:
    listed = objects(payload, "included", notes)
    data = payload.get("data")
    listed += [item for item in (data if isinstance(data, list) else [data])[:MAX_ITEMS] if isinstance(item, dict)]
    named: dict[Reference, list[Values]] = {}
    for item in listed:
        sort, key = item.get("type"), identifier(item.get("id"))
        if isinstance(sort, str) and key is not None:
            named.setdefault((sort, key), []).append(item)
    site = mapping(mapping(mapping(payload, "meta"), "site"), "attributes")
    for (sort, key), items in named.items():
        for found in items if sort in {"show", "season", "video"} else ():
            entity = _resource(sort, key, found, named, site.get("mainTerritoryCode"), notes)
            if entity is not None:
                yield entity


def _resource(
    sort: str, key: str, item: Values, named: Mapping[Reference, list[Values]], territory: object, notes: Notes
) -> Entity | None:
    attributes = mapping(item, "attributes")
    related = mapping(item, "relationships")
    kind = _resource_kind(sort, attributes, notes)
    if kind is None:
        return None
    values = {**attributes, **_names_of_related(related, named)}
    show, season = _ids(related, "show"), _ids(related, "season")
    if sort != "video":
        return Entity(kind, key, values, show[0] if show and kind == "season" else None, territory=territory)
    edits = [
        {**mapping(found, "attributes"), "id": edit}
        for edit in _ids(related, "edit")
        for found in named.get(("edit", edit), [{}])
    ]
    parents = (season or show) if kind == "episode" else []
    # A film is a `show` with one `video`: the show's id is the film's.
    own_id = show[0] if kind == "movie" and show else key
    return Entity(kind, own_id, values, parents[0] if parents else None, edits or None, key, territory)


def _resource_kind(sort: str, attributes: Values, notes: Notes) -> Kind | None:
    if sort == "season":
        return "season"
    field = "showType" if sort == "show" else first(attributes, ("videoType", "materialType"))
    written = attributes.get(field)
    if sort == "show":
        return "movie" if written in ("MOVIE", "STANDALONE") else "series"
    kind = _VIDEO_KINDS.get(written) if isinstance(written, str) else None
    if kind is None and not (isinstance(written, str) and written in _EXTRAS):
        notes.add(field, written)
    return kind


def _names_of_related(related: Values, named: Mapping[Reference, list[Values]]) -> dict[str, list[str]]:
    """Genres, badges and age ratings by name: the resource itself only has their ids."""
    found: dict[str, list[str]] = {}
    for relation, field in _NAMED_RELATIONS.items():
        for reference in _references(related, relation):
            for item in named.get(reference, ()):
                attributes = mapping(item, "attributes")
                name = attributes.get(first(attributes, ("name", "displayText", "code")))
                if isinstance(name, str):
                    found.setdefault(field, []).append(name)
    return found


def _ids(related: Values, relation: str) -> list[str]:
    return sorted({key for _, key in _references(related, relation)})


def _references(related: Values, relation: str) -> Iterator[Reference]:
    data = mapping(related, relation).get("data")
    for item in (data if isinstance(data, list) else [data])[:MAX_ITEMS]:
        key = identifier(item.get("id")) if isinstance(item, dict) else None
        sort = item.get("type") if isinstance(item, dict) else None
        if key is not None and isinstance(sort, str):
            yield sort, key


def described(payload: object) -> str:
    """What a payload without a title in it holds, for the reason of its rejection."""
    return f"payload: names no film, series, season or episode of HBO Max; it is {shown(payload)[:60]}"
