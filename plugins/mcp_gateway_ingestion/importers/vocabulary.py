"""Words that sources use for the same thing."""

from __future__ import annotations

from collections.abc import Iterable

from mcp_gateway.catalog.models import AlternativeTitle, Credit, Role

_GENRES = {
    "action & adventure": ("Action", "Adventure"),
    "children": ("Family",),
    "children's": ("Family",),
    "docuseries": ("Documentary",),
    "film noir": ("Film-Noir",),
    "game-show": ("Game Show",),
    "kids": ("Family",),
    "martial arts": ("Action",),
    "noir": ("Film-Noir",),
    "reality-tv": ("Reality",),
    "sci-fi": ("Science Fiction",),
    "sci-fi & fantasy": ("Science Fiction", "Fantasy"),
    "science fiction": ("Science Fiction",),
    "silent": (),
    "sports": ("Sport",),
    "superhero": ("Action",),
    "talk": ("Talk Show",),
    "talk-show": ("Talk Show",),
    "tv movie": (),
    "war & politics": ("War",),
    # What lists use for "nothing known", and for a format of projection.
    "(no genres listed)": (),
    "imax": (),
    "unknown": (),
}


def genres_of(names: Iterable[str]) -> tuple[str, ...]:
    """Genres by the names that the catalogue uses, each once, in the source's order; unknown ones as they came."""
    found: dict[str, None] = {}
    for name in (name.strip() for name in names):
        found.update(dict.fromkeys(_GENRES.get(name.lower(), (name,) if name else ())))
    return tuple(found)


def other_names(name: str, others: Iterable[tuple[str, str | None]]) -> tuple[AlternativeTitle, ...]:
    """Other names than the display name, with their languages, each once."""
    found: dict[str, AlternativeTitle] = {}
    for other, language in others:
        if other and other != name:
            found.setdefault(other, AlternativeTitle(other, language))
    return tuple(found.values())


def credited(names: Iterable[str], role: Role) -> list[Credit]:
    """People in one role, each once."""
    return [Credit(name, role) for name in dict.fromkeys(name.strip() for name in names) if name]
