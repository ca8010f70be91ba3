"""From words to ranked titles. Queries are built as objects: nothing a caller writes is ever parsed as a query.

A title's relevance is the best tier it reaches (its name is the query, has its words in a row, has them all …) plus
where the words occur, times 1 to 2 for its popularity. The tiers are so far apart that popularity decides within them.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, get_args

from tantivy import FieldType, Occur, Query, Schema

from mcp_gateway.catalog.models import Kind, TitleId, without_article

from .index import Hits, TitleIndex
from .models import Sort
from .schema import MAX_TERM_CHARS
from .understanding.words import Reading

# Tiers of relevance. Popularity at most doubles, and words add 15 at most: so each tier stays above the next. Only
# the first two mix: "godfather" means the famous film with an article rather than an obscure one without.
NAME_IS_QUERY = 900.0
NAME_IS_QUERY_BUT_ARTICLE = 800.0
NAME_IS_QUERY_WITH_OTHER_ARTICLE = 450.0
ALTERNATIVE_IS_QUERY = 380.0
NAME_HAS_NUMBER_BEHIND = 200.0  # a sequel: "psycho" means "Psycho II" rather than "American Psycho"
NAME_HAS_PHRASE = 140.0
ALTERNATIVE_HAS_PHRASE = 138.0
NAME_HAS_ALL_WORDS = 50.0
ALTERNATIVE_HAS_ALL_WORDS = 12.0
# Shared by the words of the query, each counted wherever it occurs.
WORD_IN_FIELD = {"name": 3.0, "alternative": 2.0, "actor": 3.0, "director": 3.0, "writer": 1.0, "keyword": 2.0}
FOUND_AT_ALL = 1.0

# For each word a title has, when it need not have them all: more than where the words occur can make up for.
WORD_OF_MANY = 30.0

MAX_YEAR = 10_000

# So few hits are filled up with titles that are like them.
FULL_PAGE = 10

# Only so many hits can be paged through: counting to a hit costs time in proportion to its place.
DEEPEST_HIT = 10_000

_ORDERS: dict[Sort, tuple[str, bool]] = {
    "popularity": ("by_popularity", False),
    "year_desc": ("by_year_desc", False),
    "year_asc": ("by_year_asc", False),
    "rating": ("by_rating", False),
    "name": ("by_name", True),
}


class Sought(Protocol):
    """A way to look for what was asked."""

    @property
    def query(self) -> Query | None:
        """Without the caller's filters; None for all titles."""

    @property
    def titles(self) -> Query | None:
        """The same titles without scores, where that is cheaper to count."""

    @property
    def ranked(self) -> bool:
        """Whether relevance orders; otherwise popularity does."""

    @property
    def weighted(self) -> bool:
        """Whether popularity is part of relevance."""

    @property
    def relaxed(self) -> bool:
        """Whether something that was asked for is not required."""

    @property
    def like(self) -> Query | None:
        """Titles that are like those, to fill the page when they are few; none of them."""

    @property
    def without_offers(self) -> bool:
        """Whether it was asked where or how to watch, and that is not required."""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of hits.

    Attributes:
        titles: A query for all of the hits, without filters and scores; None for all titles.
        relaxed: No title has all that was asked for, these have most of it.
        whole: So many have all that was asked for, those after them do not; None where all have.
        without_offers: They are not offered as was asked for.
    """

    hits: Hits
    titles: Query | None
    relaxed: bool = False
    whole: int | None = None
    without_offers: bool = False


def find(
    index: TitleIndex, ways: Iterable[Sought], filters: Sequence[Query], *, sort: Sort, limit: int, offset: int
) -> Found:
    """The titles that meet the filters and the first way that finds any."""
    order_by, ascending = _ORDERS.get(sort, (None, False))
    found: Found | None = None
    for way in ways:
        hits = index.search(
            with_filters(way.query, filters),
            limit=limit,
            offset=offset,
            order_by=order_by or (None if way.ranked else "by_popularity"),
            ascending=ascending,
            weighted=way.weighted,
        )
        if hits.total or found is None:
            titles = way.query if way.titles is None else way.titles
            relaxed = way.relaxed and hits.total > 0
            found = Found(hits, titles, relaxed=relaxed, without_offers=way.without_offers)
        if hits.total:
            if way.like is not None and sort == "relevance" and hits.total < FULL_PAGE:
                return _filled(index, found, with_filters(way.like, filters), limit=limit, offset=offset)
            break
    return found or Found(index.search(Query.empty_query(), limit=1), Query.empty_query())


def _filled(index: TitleIndex, found: Found, like: Query, *, limit: int, offset: int) -> Found:
    """The page with titles behind those found that are like them."""
    total = found.hits.total
    others = index.search(like, limit=FULL_PAGE - total)
    if not others.addresses or others.searcher is not found.hits.searcher:
        return found
    behind = others.addresses[max(0, offset - total) :][: limit - len(found.hits.addresses)]
    hits = Hits(total + len(others.addresses), [*found.hits.addresses, *behind], others.searcher)
    ids = [Query.term_query(index.schema, "id", title_id) for title_id in index.ids(others)]
    everything = Query.boolean_query([(Occur.Should, query) for query in (found.titles, *ids) if query is not None])
    return Found(hits, everything, relaxed=found.relaxed, whole=total, without_offers=found.without_offers)


def with_filters(query: Query | None, filters: Sequence[Query]) -> Query:
    """The query within the filters; without either, all titles."""
    return _all_of([*filters, query] if query is not None else filters)


def matching(
    schema: Schema,
    readings: Sequence[Reading],
    *,
    known: Sequence[TitleId] = (),
    numbered: Sequence[str] = (),
    common: Container[str] = (),
) -> Query:
    """Titles that have all words of a reading, scored by how well they do.

    Args:
        known: Of the titles of the very name asked for, without a year, all but these count as if they only had it in
            theirs: after the famous "Rocky" come its sequels, not the unknown "Rocky" of 1948. Empty: none do.
        numbered: Names without article that are the query and a number.
        common: Words that so many titles have that it says nothing where they occur, and takes long to look up.
    """
    ways = [_reading_query(schema, reading, known, numbered, common) for reading in readings]
    return Query.disjunction_max_query(ways)


def having_most(schema: Schema, words: Sequence[str]) -> Query:
    """Titles that have more than half of the words, scored by how many and where."""
    counted = [(Occur.Should, _const(_word(schema, "words", word), WORD_OF_MANY)) for word in words]
    enough = Query.boolean_query(counted, minimum_number_should_match=len(words) // 2 + 1)
    return Query.boolean_query([(Occur.Must, enough), *_word_scores(schema, words)])


def year_between(schema: Schema, first: int | None, last: int | None, *, among_few: bool = False) -> Query:
    """Titles of these years, both included; None is open. Any number will do.

    Args:
        among_few: Other conditions leave few titles: of these the years are read, instead of the lists of all years.
    """
    low, high = (None if year is None else min(MAX_YEAR, max(-MAX_YEAR, year)) for year in (first, last))
    if low is not None and high is not None and low % 10 == 0 and high - low == 9:
        return _word(schema, "decade_0", str(low))  # one list instead of ten
    if low is not None and low == high:
        return Query.term_query(schema, "year", low)
    # Between two years that few titles are of, tantivy would look for the next one of them through all others.
    lists = not among_few or (low is not None and high is not None)
    return Query.range_query(
        schema, "year", FieldType.Integer, lower_bound=low, upper_bound=high, use_inverted_index=lists
    )


def rated_from(schema: Schema, field: str, least: float) -> Query:
    """Titles with at least this rating. There are a hundred different ones: their lists are read, not every title's."""
    return Query.range_query(schema, field, FieldType.Float, lower_bound=least, use_inverted_index=True)


def of_kinds(schema: Schema, kinds: Sequence[str]) -> Query:
    """Titles of these kinds. Most titles are of one or two: leaving out the others costs less than merging these."""
    if len(kinds) == 1:
        return _word(schema, "kind", kinds[0])
    others = [(Occur.MustNot, _word(schema, "kind", kind)) for kind in get_args(Kind) if kind not in kinds]
    return Query.boolean_query([(Occur.Must, Query.all_query()), *others])


def any_of(schema: Schema, field: str, values: Sequence[str]) -> Query:
    """Titles with one of the values. (tantivy's own set query first collects every title that has one.)"""
    return Query.boolean_query([(Occur.Should, Query.term_query(schema, field, value)) for value in values])


def unscored(query: Query) -> Query:
    """A condition that has no part in relevance."""
    return _const(query, 0.0)


def _all_of(queries: Sequence[Query]) -> Query:
    if not queries:
        return Query.all_query()
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def matched(schema: Schema, readings: Sequence[Reading]) -> Query:
    """The titles that `matching` finds, without scores: cheaper where they are only counted."""
    return Query.boolean_query([(Occur.Should, _all_of(_required(schema, reading))) for reading in readings])


def _required(schema: Schema, reading: Reading) -> list[Query]:
    required = [unscored(_word(schema, "words", word)) for word in dict.fromkeys(reading.words)]
    if reading.year is not None:
        required.append(unscored(year_between(schema, reading.year, reading.year)))
    return required


def _reading_query(
    schema: Schema, reading: Reading, known: Sequence[TitleId], numbered: Sequence[str], common: Container[str]
) -> Query:
    words = tuple(dict.fromkeys(word for word in reading.words if word not in common))
    required = _required(schema, reading)
    tiers = Query.disjunction_max_query(list(_tiers(schema, reading, () if reading.year else known, numbered)))
    return Query.boolean_query(
        [
            (Occur.Must, _const(_all_of(required), FOUND_AT_ALL)),
            (Occur.Should, tiers),
            *_word_scores(schema, words),
        ]
    )


def _tiers(
    schema: Schema, reading: Reading, known: Sequence[TitleId] = (), numbered: Sequence[str] = ()
) -> Iterator[Query]:
    name = reading.name[:MAX_TERM_CHARS]
    bare = without_article(name)
    other = NAME_IS_QUERY_BUT_ARTICLE if bare == name else NAME_IS_QUERY_WITH_OTHER_ARTICLE
    keys = {
        "name_key": (name, NAME_IS_QUERY),
        "bare_key": (bare, other),
        "alternative_key": (bare, ALTERNATIVE_IS_QUERY),
    }
    for field, (key, score) in keys.items():
        yield _const(_one_of(schema, known, _word(schema, field, key)), score)
    for key in numbered:
        yield _const(_word(schema, "bare_key", key), NAME_HAS_NUMBER_BEHIND)
    yield _const(phrase(schema, "name", reading.words), NAME_HAS_PHRASE)
    yield _const(phrase(schema, "alternative", reading.words), ALTERNATIVE_HAS_PHRASE)
    yield _const(_all_words(schema, "name", reading.words), NAME_HAS_ALL_WORDS)
    yield _const(_all_words(schema, "alternative", reading.words), ALTERNATIVE_HAS_ALL_WORDS)


def _one_of(schema: Schema, known: Sequence[TitleId], query: Query) -> Query:
    if not known:
        return query
    return Query.boolean_query([(Occur.Must, query), (Occur.Must, any_of(schema, "id", known))])


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
