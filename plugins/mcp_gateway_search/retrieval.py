"""From words to ranked titles. Queries are built as objects: nothing a caller writes is ever parsed as a query.

A title's relevance is the best tier it reaches (its name is the query, has its words in a row, has them all …) plus
where the words occur, times 1 to 2 for its popularity. The tiers are so far apart that popularity decides within them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tantivy import FieldType, Occur, Query, Schema

from mcp_gateway.catalog.models import without_article

from .index import Hits, TitleIndex
from .models import Sort
from .schema import MAX_TERM_CHARS
from .words import Reading, content_words, readings_of

# Tiers of relevance. Popularity at most doubles, and words add 15 at most: so each tier stays above the next. Only
# the first two mix: "godfather" means the famous film with an article rather than an obscure one without.
NAME_IS_QUERY = 900.0
NAME_IS_QUERY_BUT_ARTICLE = 800.0
ALTERNATIVE_IS_QUERY = 380.0
NAME_HAS_PHRASE = 140.0
NAME_HAS_ALL_WORDS = 50.0
ALTERNATIVE_HAS_ALL_WORDS = 12.0
# Shared by the words of the query, each counted wherever it occurs.
WORD_IN_FIELD = {"name": 3.0, "alternative": 2.0, "actor": 3.0, "director": 3.0, "writer": 1.0, "keyword": 2.0}
FOUND_AT_ALL = 1.0

# For each word a title has, when it need not have them all: more than where the words occur can make up for.
WORD_OF_MANY = 30.0

MAX_YEAR = 10_000

# Only so many hits can be paged through: counting to a hit costs time in proportion to its place.
DEEPEST_HIT = 10_000

_ORDERS: dict[Sort, tuple[str, bool]] = {
    "popularity": ("by_popularity", False),
    "year_desc": ("by_year_desc", False),
    "year_asc": ("by_year_asc", False),
    "rating": ("by_rating", False),
    "name": ("by_name", True),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A page of hits. `relaxed`: no title has all the words, these have most of them."""

    hits: Hits
    relaxed: bool = False


def find(
    index: TitleIndex, words: tuple[str, ...], filters: Sequence[Query], *, sort: Sort, limit: int, offset: int
) -> Found:
    """The titles that meet the filters and have all the words, or else most of them; without words, all."""
    order_by, ascending = _ORDERS.get(sort, (None, False))
    if not words:
        query = _all_of(filters)
        return Found(
            index.search(query, limit=limit, offset=offset, order_by=order_by or "by_popularity", ascending=ascending)
        )
    strict = _all_of((*filters, matching(index.schema, readings_of(words))))
    hits = index.search(strict, limit=limit, offset=offset, order_by=order_by, ascending=ascending)
    if hits.total:
        return Found(hits)
    known = [word for word in content_words(words) if index.knows(word)]
    if not known:
        return Found(hits)
    query = _all_of((*filters, having_most(index.schema, known)))
    return Found(index.search(query, limit=limit, offset=offset, order_by=order_by, ascending=ascending), relaxed=True)


def matching(schema: Schema, readings: Sequence[Reading]) -> Query:
    """Titles that have all words of a reading, scored by how well they do."""
    return Query.disjunction_max_query([_reading_query(schema, reading) for reading in readings])


def having_most(schema: Schema, words: Sequence[str]) -> Query:
    """Titles that have more than half of the words, scored by how many and where."""
    counted = [(Occur.Should, _const(_word(schema, "words", word), WORD_OF_MANY)) for word in words]
    enough = Query.boolean_query(counted, minimum_number_should_match=len(words) // 2 + 1)
    return Query.boolean_query([(Occur.Must, enough), *_word_scores(schema, words)])


def year_between(schema: Schema, first: int | None, last: int | None) -> Query:
    """Titles of these years, both included; None is open. Any number will do."""
    low, high = (None if year is None else min(MAX_YEAR, max(-MAX_YEAR, year)) for year in (first, last))
    return Query.range_query(
        schema, "year", FieldType.Integer, lower_bound=low, upper_bound=high, use_inverted_index=True
    )


def unscored(query: Query) -> Query:
    """A condition that has no part in relevance."""
    return _const(query, 0.0)


def _all_of(queries: Sequence[Query]) -> Query:
    if not queries:
        return Query.all_query()
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def _reading_query(schema: Schema, reading: Reading) -> Query:
    words = tuple(dict.fromkeys(reading.words))
    required = [unscored(_word(schema, "words", word)) for word in words]
    if reading.year is not None:
        required.append(unscored(year_between(schema, reading.year, reading.year)))
    tiers = Query.disjunction_max_query(list(_tiers(schema, reading)))
    return Query.boolean_query(
        [
            (Occur.Must, _const(_all_of(required), FOUND_AT_ALL)),
            (Occur.Should, tiers),
            *_word_scores(schema, words),
        ]
    )


def _tiers(schema: Schema, reading: Reading) -> Iterator[Query]:
    name = reading.name[:MAX_TERM_CHARS]
    bare = without_article(name)
    yield _const(_word(schema, "name_key", name), NAME_IS_QUERY)
    yield _const(_word(schema, "bare_key", bare), NAME_IS_QUERY_BUT_ARTICLE)
    yield _const(_word(schema, "alternative_key", bare), ALTERNATIVE_IS_QUERY)
    yield _const(phrase(schema, "name", reading.words), NAME_HAS_PHRASE)
    yield _const(_all_words(schema, "name", reading.words), NAME_HAS_ALL_WORDS)
    yield _const(_all_words(schema, "alternative", reading.words), ALTERNATIVE_HAS_ALL_WORDS)


def phrase(schema: Schema, field: str, words: Sequence[str]) -> Query:
    """The words in a row. (tantivy's own panics on a single word.)"""
    if len(words) == 1:
        return _word(schema, field, words[0])
    return Query.phrase_query(schema, field, list(words))


def _all_words(schema: Schema, field: str, words: Iterable[str]) -> Query:
    return _all_of([_word(schema, field, word) for word in words])


def _word_scores(schema: Schema, words: Sequence[str]) -> list[tuple[Occur, Query]]:
    return [
        (Occur.Should, _const(_word(schema, field, word), score / len(words)))
        for word in words
        for field, score in WORD_IN_FIELD.items()
    ]


def _word(schema: Schema, field: str, word: str) -> Query:
    return Query.term_query(schema, field, word)


def _const(query: Query, score: float) -> Query:
    return Query.const_score_query(query, score)


def beginning_with(schema: Schema, words: Sequence[str]) -> Query:
    """Titles with the words in a row in a name, the last one perhaps not yet typed to its end; without words, all."""
    if not words:
        return Query.all_query()
    names = [Query.phrase_prefix_query(schema, field, list(words)) for field in ("name", "alternative")]
    return Query.boolean_query([(Occur.Should, name) for name in names])


def like_name(schema: Schema, reading: Reading, *, typos: bool) -> Query:
    """Titles that may be meant by a name: the same, with all its words, or with typos a few letters different."""
    alike = list(_tiers(schema, reading))
    if typos:
        alike += _fuzzy(schema, reading.name[:MAX_TERM_CHARS])
    any_of_them = Query.disjunction_max_query(alike)
    if reading.year is None:
        return any_of_them
    of_year = _const(year_between(schema, reading.year, reading.year), ALTERNATIVE_IS_QUERY)
    return Query.boolean_query([(Occur.Must, any_of_them), (Occur.Should, of_year)])


def _fuzzy(schema: Schema, name: str) -> list[Query]:
    bare = without_article(name)
    letters = allowed_typos(bare)
    keys = (("name_key", name), ("bare_key", bare), ("alternative_key", bare)) if letters else ()
    return [
        _const(Query.fuzzy_term_query(schema, field, key, distance=letters), NAME_HAS_PHRASE) for field, key in keys
    ]


def allowed_typos(name: str) -> int:
    """How many letters a name may be off: none in the shortest, where every other name is near."""
    return 0 if len(name) < 4 else 1 if len(name) < 9 else 2
