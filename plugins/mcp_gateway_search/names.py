"""The index as the query processor sees it: whether a name, a person or a word is known as it is written."""

from __future__ import annotations

from collections.abc import Sequence

from tantivy import Occur, Query

from mcp_gateway.catalog.models import TitleId, normalise_name, without_article

from .index import TitleIndex
from .retrieval import phrase, unscored, with_filters, year_between
from .schema import MAX_TERM_CHARS, joined
from .understanding.words import Reading

# A title of the very name asked for that is so much less popular than another one is treated as if it only had the
# name in its own. Of those that are not, so many are looked at: more fill no page.
_FAR_LESS_POPULAR = 0.65
_MOST_OF_ONE_NAME = 20


class IndexNames:
    """Answers from the index as last committed, in a few microseconds each."""

    def __init__(self, index: TitleIndex) -> None:
        self._index = index

    def is_title(self, reading: Reading) -> bool:
        """Whether a title is called so, and is of that year."""
        bare = without_article(reading.name)[:MAX_TERM_CHARS]
        fields = [field for field in ("bare_key", "alternative_key") if self._index.count(field, bare)]
        if not fields or reading.year is None:
            return bool(fields)
        schema = self._index.schema
        called = [(Occur.Should, Query.term_query(schema, field, bare)) for field in fields]
        of_year = year_between(schema, reading.year, reading.year)
        query = Query.boolean_query([(Occur.Must, Query.boolean_query(called)), (Occur.Must, of_year)])
        return self._index.search(unscored(query), limit=1).total > 0

    def spaced(self, name: str) -> str | None:
        """A name that differs from this one only in its spaces."""
        key = joined(without_article(name))
        if len(key) < 4 or not self._index.count("joined_key", key):
            return None
        hits = self._index.search(
            Query.term_query(self._index.schema, "joined_key", key), limit=1, order_by="by_popularity"
        )
        names = (normalise_name(known) for known in (self._index.names(hits) or [[]])[0])
        return next((known for known in names if joined(without_article(known)) == key), None)

    def titles_of(self, person: str) -> int:
        """How many titles somebody of this name has; spaces do not matter."""
        return self._index.count("person_key", joined(person))

    def titles_with(self, word: str) -> int:
        """How many titles can be found by this word."""
        return self._index.count("words", word)

    def any_title_with(self, words: Sequence[str]) -> bool:
        """Whether a title has all the words."""
        schema = self._index.schema
        needed = [(Occur.Must, Query.term_query(schema, "words", word)) for word in dict.fromkeys(words)]
        return bool(self._index.search(unscored(Query.boolean_query(needed)), limit=1).addresses)

    def well_known(self, reading: Reading, filters: Sequence[Query] = ()) -> list[TitleId]:
        """Of the titles called so within the filters those that are not far less popular than the best-known one.

        Empty when none is far less popular, or only obscure titles are called so.
        """
        bare = without_article(reading.name)[:MAX_TERM_CHARS]
        if self._index.count("bare_key", bare) < 2:
            return []
        schema = self._index.schema
        own, alternative = (Query.term_query(schema, field, bare) for field in ("bare_key", "alternative_key"))
        least = self._popularity(with_filters(own, filters)) - _FAR_LESS_POPULAR
        if least <= 0:
            return []
        called = Query.boolean_query([(Occur.Should, own), (Occur.Should, alternative)])
        hits = self._index.search(with_filters(called, filters), limit=_MOST_OF_ONE_NAME, order_by="by_popularity")
        popular = sum(popularity >= least for popularity in self._index.popularities(hits))
        return self._index.ids(hits)[:popular]

    def phrase_popularity(self, words: Sequence[str]) -> float:
        """How popular the best-known title is whose name has these words in a row, from 0 to 1; -1 without one."""
        if not all(self.titles_with(word) for word in words):
            return -1.0
        schema = self._index.schema
        named = [(Occur.Should, phrase(schema, field, words)) for field in ("name", "alternative")]
        return self._popularity(Query.boolean_query(named))

    def _popularity(self, query: Query) -> float:
        """How popular the best-known title is that matches, from 0 to 1; -1 without one."""
        hits = self._index.search(query, limit=1, order_by="by_popularity")
        return (self._index.popularities(hits) or [-1.0])[0]
