"""The index: its fields, and the document that a title becomes.

Names and words go in folded by `normalise_name`, split at spaces: queries are folded by the same function, so
the two always agree and no tokenizer has to be registered anew when the index is opened.
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, product
from typing import Any

import orjson
from tantivy import Schema, SchemaBuilder

from mcp_gateway.catalog.models import Offer, Role, Title, normalise_name, without_article

from .cards import card_json, rating_of
from .facet_columns import ALL_COLUMNS, column_values

# Part of the index's folder name: raise it whenever fields, or what goes into them, change.
FORMAT = 3

# Names that agree so far are taken for the same; tantivy drops terms that are much longer.
MAX_TERM_CHARS = 200

# In an offer's term: whatever the platform, region or way to pay.
ANY = "*"

# Less popular titles have few votes (below about 1,700 at IMDb). Sorted by rating they come last: a 10 given by
# seven voters says little.
WELL_KNOWN_POPULARITY = 50.0

POPULARITY_STEPS = 100_000

_STORED_BYTES = ("card", "names", "people")

PERSON_KEYS: dict[Role, str] = {"actor": "actor_key", "director": "director_key", "writer": "writer_key"}

# People, keywords and genres come again and again while an index is built.
_fold = lru_cache(maxsize=50_000)(normalise_name)


def build_schema() -> Schema:
    """The fields.

    `*_key` hold whole names, `bare_key` without their article, `joined_key` and those of people without spaces;
    `name` to `words` hold words. Facets are counted in the columns of `facet_columns`. `card` and `names` are what
    results show; of `names` and `people` the vocabulary is made. `by_*` are sort orders, largest first but for
    `by_name`. `revision` is the catalogue's.
    """
    builder = SchemaBuilder()
    builder.add_text_field("id", stored=True, tokenizer_name="raw", index_option="basic")
    for name in _STORED_BYTES:
        builder.add_bytes_field(name, stored=True)
    for name in ("name_key", "bare_key", "alternative_key", "joined_key", *PERSON_KEYS.values(), "person_key", "offer"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("name", "alternative", "actor", "director", "writer", "keyword"):
        builder.add_text_field(name, tokenizer_name="whitespace", index_option="position")
    builder.add_text_field("words", tokenizer_name="whitespace", index_option="freq")
    for name in ("genre", "platform", "offer_kind", "by_name", *ALL_COLUMNS):
        builder.add_text_field(name, fast=True, tokenizer_name="raw", index_option="basic")
    for name in ("kind", "language", "certification", "country"):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    for name in ("year", "runtime_minutes", "revision"):
        builder.add_integer_field(name, indexed=True, fast=True)
    for name in ("by_popularity", "by_year_desc", "by_year_asc", "by_rating"):
        builder.add_integer_field(name, fast=True)
    for name in ("rating", "imdb_rating"):
        builder.add_float_field(name, indexed=True, fast=True)
    builder.add_float_field("weight", fast=True)
    return builder.build()


def document_of(title: Title, offers: Sequence[Offer]) -> dict[str, Any]:
    """What the index holds of a title."""
    name = normalise_name(title.name)
    alternatives = [normalise_name(other.name) for other in title.alternative_titles]
    known = {without_article(other) for other in alternatives}
    bare = without_article(name)
    keywords = [_fold(keyword) for keyword in title.keywords]
    people = _people(title)
    named = list(chain.from_iterable(people.values()))
    document: dict[str, Any] = {
        "id": title.id,
        "card": card_json(title),
        "names": orjson.dumps([title.name, *(other.name for other in title.alternative_titles)]),
        "people": orjson.dumps(list(dict.fromkeys(named))),
        "name_key": name[:MAX_TERM_CHARS],
        "bare_key": bare[:MAX_TERM_CHARS],
        "alternative_key": list({other[:MAX_TERM_CHARS] for other in known}),
        "name": name,
        "alternative": alternatives,
        "joined_key": list(set(map(joined, (bare, *known)))),
        **{str(role): those for role, those in people.items()},
        **{PERSON_KEYS[role]: list(set(map(_joined, those))) for role, those in people.items()},
        "person_key": list(set(map(_joined, named))),
        "keyword": keywords,
        "words": " ".join([name, *alternatives, *named, *keywords, *_other_words(title)]),
        "by_name": name[:MAX_TERM_CHARS],
        "kind": title.kind,
        "genre": list(title.genres),
        "country": list(title.countries),
        "revision": title.revision,
    }
    platforms, offer_kinds = ({offer.platform for offer in offers}, {offer.kind.value for offer in offers})
    if offers:
        document["platform"], document["offer_kind"] = list(platforms), list(offer_kinds)
        document["offer"] = list(set(chain.from_iterable(map(_offer_terms, offers))))
    document |= column_values(title, platforms=platforms, offer_kinds=offer_kinds)
    optional = {"language": title.original_language, "certification": title.certification,
                "runtime_minutes": title.runtime_minutes, "year": title.year}  # fmt: skip
    document.update({field: value for field, value in optional.items() if value is not None})
    document.update(_orders(title))
    return document


def document_json(document: dict[str, Any]) -> str:
    """A document as tantivy takes it in soonest: as JSON, bytes in base 64."""
    stored = {field: b2a_base64(document[field], newline=False).decode() for field in _STORED_BYTES}
    return orjson.dumps(document | stored).decode()


def joined(name: str) -> str:
    """A folded name without its spaces, so that "de niro" and "deniro" are one."""
    return name.replace(" ", "")[:MAX_TERM_CHARS]


_joined = lru_cache(maxsize=50_000)(joined)


def offer_terms(platforms: Iterable[str] | None, region: str | None, monetization: Iterable[str] | None) -> list[str]:
    """The terms one of which an offer has that meets all three conditions; None is no condition."""
    parts = (platforms or (ANY,), (region or ANY,), monetization or (ANY,))
    return ["|".join(combination) for combination in product(*parts)]


def _people(title: Title) -> dict[Role, list[str]]:
    people: dict[Role, list[str]] = {role: [] for role in PERSON_KEYS}
    for credit in title.credits:
        people[credit.role].append(_fold(credit.name))
    return people


def _other_words(title: Title) -> list[str]:
    """What a title can be found by besides names and keywords, words of long texts as often as they occur."""
    texts = [normalise_name(text) for text in (title.overview, title.tagline) if text]
    return [*map(_fold, title.genres), *texts, *([str(title.year)] if title.year else ())]


def _offer_terms(offer: Offer) -> list[str]:
    choices = product((offer.platform, ANY), (offer.region or ANY, ANY), (offer.kind.value, ANY))
    return ["|".join(combination) for combination in choices]


def _orders(title: Title) -> dict[str, Any]:
    """Sort orders as single numbers, popularity breaking ties: tantivy sorts by one field.

    A title without year or rating has no number, and so comes last. `weight` is what relevance is multiplied
    by: tantivy multiplies by log2(2 + weight), which makes 1 of popularity 0 and 2 of popularity 100.
    """
    popularity = round(min(100.0, max(0.0, title.popularity)) / 100 * (POPULARITY_STEPS - 1))
    orders: dict[str, Any] = {"by_popularity": popularity, "weight": 2 ** (1 + popularity / POPULARITY_STEPS) - 2}
    if title.year is not None:
        orders["by_year_desc"] = title.year * POPULARITY_STEPS + popularity
        orders["by_year_asc"] = -title.year * POPULARITY_STEPS + popularity
    if "imdb" in title.ratings:
        orders["imdb_rating"] = title.ratings["imdb"].score
    rating = rating_of(title)
    if rating is not None:
        known = title.popularity >= WELL_KNOWN_POPULARITY
        orders["rating"] = rating
        orders["by_rating"] = (round(rating * 10) + (1000 if known else 0)) * POPULARITY_STEPS + popularity
    return orders
