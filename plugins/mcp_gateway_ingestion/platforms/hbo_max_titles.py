"""Makes titles of the entities of HBO Max's own catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mcp_gateway.catalog.models import Credit, Kind, OfferKind, Role, TitleFacts
from mcp_gateway.catalog.platforms import Badge, OfferFacts, PlatformTitle, Sighting

from .fields import (
    MAX_OVERVIEW,
    Notes,
    cleaned,
    first,
    identifier,
    items,
    mapping,
    names,
    objects,
    release_day,
    text,
    whole,
    year,
)
from .genres import Meaning
from .hbo_max_links import page_link, title_id_of, watch_link
from .hbo_max_shapes import Entity, Values
from .offers import LISTED, begin_of, in_order, link_of, make_offer, quality_of, until_of
from .regions import base_language_of, language_of, region_of
from .rules import Rules
from .works import age_rating, genre_names, imdb_id, keywords_of, known, needed, other_names, people

_TITLE = ("title", "name", "originalName")
_OVERVIEW = ("longDescription", "description", "summary", "synopsis")
_YEAR = ("releaseYear", "year")
_DATE = ("premiereDate", "airDate", "originalReleaseDate")
_EPISODE = ("episodeNumber", "numberInSeason")
_PLANS = ("plans", "tiers")
_PLAN = ("plan", "tier")
_BEGINS = ("start", "playableStart", "startDate", "availableFrom")
_ENDS = ("end", "playableEnd", "endDate", "availableUntil")
_WINDOWS = ("availability", "availabilityWindows", "windows")
_ROLES: tuple[tuple[str, Role], ...] = (
    ("actors", "actor"),
    ("cast", "actor"),
    ("directors", "director"),
    ("writers", "writer"),
)
_OPEN_WINDOW: Mapping[str, Any] = {}


def title_of(entity: Entity, rules: Rules, seen: Sighting, notes: Notes) -> PlatformTitle:
    """The title of an entity.

    Raises:
        Unusable: It has no name.
    """
    values = entity.values
    meaning = _meaning(values, rules, notes)
    certification, ages = _rating(values, notes)
    name = _name(entity, notes)
    date = release_day(values, first(values, _DATE), notes)
    stated_year = year(values, first(values, _YEAR), notes)
    ids = mapping(values, "externalIds")
    overview = _overview(values, notes)
    facts = TitleFacts(
        kind=entity.kind,
        name=name,
        year=stated_year or (date.year if date else None),
        release_date=date,
        runtime_minutes=_runtime(values, notes),
        season_count=whole(values, "numberOfSeasons", notes) or None,
        overview=overview,
        overview_source=rules.key if overview else None,
        certification=certification,
        original_language=base_language_of(values.get("originalAudioLanguage")),
        genres=meaning.genres,
        keywords=keywords_of(meaning, *ages),
        alternative_titles=other_names(name, (text(values, "originalName", notes),)),
        credits=_credits(mapping(values, "credits"), notes),
        external_ids=known(imdb=imdb_id(ids.get("imdb")), **{rules.key: title_id_of(entity.id)}),
        season_number=whole(values, "seasonNumber", notes) if entity.kind in {"season", "episode"} else None,
        episode_number=whole(values, first(values, _EPISODE), notes) if entity.kind == "episode" else None,
    )
    badges = tuple(sorted({*meaning.badges, *_badges(values, rules, notes)}))
    offers = in_order(_offers(entity, rules, seen, notes))
    return PlatformTitle(key=entity.id, facts=facts, offers=offers, parent_key=entity.parent, badges=badges)


def _meaning(values: Values, rules: Rules, notes: Notes) -> Meaning:
    """The genres. A badge among them stays a badge: that HBO made it does not make it a drama."""
    return rules.vocabulary.of_names(genre_names(values, "genres", notes)).noted("genres", notes)


def _badges(values: Values, rules: Rules, notes: Notes) -> Iterator[Badge]:
    """Badges by brand, label or tag. The name of the channel is no evidence: it also shows what others made."""
    brand = values.get("brand")
    stated = mapping(values, "brand").get("name") if isinstance(brand, dict) else brand
    phrases = [("brand", stated)] if isinstance(stated, str) else []
    phrases += [(field, name) for field in ("badges", "tags") for name in names(values, field, notes)]
    for field, phrase in phrases:
        badge = rules.vocabulary.badge(cleaned(phrase[:200]), field)
        if badge is not None:
            yield badge
        elif field != "tags" and "original" in phrase.lower():
            notes.add(field, phrase)


def _name(entity: Entity, notes: Notes) -> str:
    values = entity.values
    titles = mapping(values, "titles")
    source = titles or values
    field = first(source, ("full", "short")) if titles else first(values, _TITLE)
    name = text(source, field, notes)
    if name is None and entity.kind == "season":
        count = whole(values, "seasonNumber", notes)
        name = None if count is None else f"Season {count}"
    return needed(name, source, field)


def _overview(values: Values, notes: Notes) -> str | None:
    synopses = mapping(values, "synopses")
    if synopses:
        return text(synopses, first(synopses, ("full", "short")), notes, MAX_OVERVIEW)
    return text(values, first(values, _OVERVIEW), notes, MAX_OVERVIEW)


def _runtime(values: Values, notes: Notes) -> int | None:
    """Minutes; `duration` is in seconds."""
    minutes = whole(values, first(values, ("runtimeMinutes", "runtime")), notes)
    if minutes:
        return minutes
    seconds = whole(values, "duration", notes, 0, 10**6)
    return max(1, round(seconds / 60)) if seconds else None


def _rating(values: Values, notes: Notes) -> tuple[str | None, tuple[str, ...]]:
    """The US rating: of several, as JSON:API may list them, the first in alphabetical order that is one."""
    listed = sorted(names(values, "ratings", notes)) if "ratings" in values else []
    rating = values.get("rating")
    if isinstance(rating, dict):
        return age_rating(rating, first(rating, ("value", "code", "name")), notes)
    read = [age_rating({"ratings": name}, "ratings", notes) for name in listed]
    read += [age_rating(values, first(values, ("ratingCode", "rating")), notes)]
    certified = next((certification for certification, _ in read if certification), None)
    return certified, tuple(sorted({age for _, ages in read for age in ages}))


def _credits(listed: Values, notes: Notes) -> tuple[Credit, ...]:
    found: list[Credit] = []
    for field, role in _ROLES:
        for person in items(listed, field, notes):
            found.extend(_credit(person, field, role, notes))
    return tuple(dict.fromkeys(found))


def _credit(person: object, field: str, role: Role, notes: Notes) -> list[Credit]:
    if isinstance(person, str):
        return people([cleaned(person)], role) if 0 < len(person) <= 300 and cleaned(person) else []
    if not isinstance(person, dict):
        notes.add(field, person)
        return []
    name = text(person, first(person, ("person", "name")), notes, 300)
    character = text(person, "character", notes) if role == "actor" else None
    return [Credit(name, role, character)] if name else []


def _offers(entity: Entity, rules: Rules, seen: Sighting, notes: Notes) -> Iterator[OfferFacts | None]:
    """An offer for each edit, window and plan. What is listed without edits is offered where it is listed."""
    territory = entity.territory
    if entity.edits is None:
        yield from _of_edit({}, entity.values, territory, _page(entity, notes, rules), rules, seen, notes)
        return
    for edit in entity.edits:
        video = identifier(edit.get("videoId")) or entity.video_id
        link = watch_link(video, identifier(edit.get("id")))
        yield from _of_edit(edit, entity.values, territory, link or _page(entity, notes, rules), rules, seen, notes)


def _of_edit(
    edit: Values, values: Values, territory: object, link: str | None, rules: Rules, seen: Sighting, notes: Notes
) -> Iterator[OfferFacts | None]:
    spoken, subtitled = (
        _tracks(edit, ("audioTracks", "audios"), notes),
        _tracks(edit, ("textTracks", "subtitles"), notes),
    )
    quality = quality_of(edit, first(edit, ("quality", "resolution")), notes)
    for window in _windows(edit, notes) or _windows(values, notes) or [_OPEN_WINDOW]:
        stated = window.get("territory", territory)
        region = region_of(stated) if stated else seen.region
        if region is None and stated:
            notes.add("territory", stated)
            continue
        begins, ends = first(window, _BEGINS), first(window, _ENDS)
        for plan in _plans(window, notes) or _plans(edit, notes) or _plans(values, notes) or [None]:
            yield make_offer(
                rules, seen, notes,
                kind=OfferKind.FLATRATE,
                region=region,
                tier=plan,
                quality=quality,
                audio=spoken,
                subtitles=subtitled,
                valid_from=begin_of(window.get(begins) or values.get("firstAvailableDate"), region, begins, notes),
                valid_until=until_of(window.get(ends), region, ends, notes),
                link=link,
                confidence=1.0 if edit or window else LISTED,
            )  # fmt: skip


def _windows(values: Values, notes: Notes) -> list[Values]:
    field = first(values, _WINDOWS)
    value = values.get(field)
    return [value] if isinstance(value, dict) and value else list(objects(values, field, notes)) if value else []


def _plans(values: Values, notes: Notes) -> list[str | None]:
    single = identifier(values.get(first(values, _PLAN)))
    return [single] if single else [*sorted(set(names(values, first(values, _PLANS), notes)))]


def _tracks(edit: Values, fields: tuple[str, ...], notes: Notes) -> set[str]:
    field = first(edit, fields)
    value = edit.get(field)
    found = set()
    for item in value[:1000] if isinstance(value, list) else ():
        written = item.get(first(item, ("language", "locale"))) if isinstance(item, dict) else item
        tag = language_of(written)
        if tag is None:
            notes.add(field, written)
        else:
            found.add(tag)
    return found


def _page(entity: Entity, notes: Notes, rules: Rules) -> str | None:
    given = link_of(entity.values.get("link"), rules, "link", notes)
    return given or page_link(entity.kind, entity.id)


_DEPTH: Mapping[Kind, int] = {"movie": 0, "series": 0, "season": 1, "episode": 2}


def family_order(title: PlatformTitle) -> tuple[int, int, int, str]:
    """Parents before children, by their numbers."""
    facts = title.facts
    return _DEPTH[facts.kind], facts.season_number or 0, facts.episode_number or 0, title.key
