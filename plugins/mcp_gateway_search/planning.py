"""From what a query means to queries of the index: the first that finds anything is the answer.

Each plan has conditions that must hold and signs that only order. The first plan takes the query at its word; those
after it give up, one after the other, what is least certain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tantivy import Occur, Query

from mcp_gateway.catalog.models import without_article

from .index import TitleIndex
from .names import IndexNames
from .retrieval import having_most, matched, matching, phrase, unscored
from .schema import MAX_TERM_CHARS, joined
from .slot_queries import ROLES, firm, loose, years
from .understanding.intent import Understanding
from .understanding.words import content_words, readings_of

# So many free words and more are a description: they order what the conditions leave.
DESCRIPTION_WORDS = 3
_MOST_REQUIRED_WORDS = 8
# More words are never all found in one title, but in its very name.
_MOST_WORDS_OF_ONE_TITLE = 16
# Of a long description the rarest words tell most; each takes time.
_MOST_TELLING_WORDS = 12

# A title of the very name asked for that is so much less popular than another one is treated as if it only had the
# name in its own.
_FAR_LESS_POPULAR = 0.35

_ALIKE = 300.0
_CREDITED = 40.0
_WROTE = 12.0
_NAMED = 5.0
_FITTING_CONDITION = 4.0
_WORD_IN_NAME = 1.5
_ONE_OF_PEOPLE = 20.0

Signs = list[tuple[Occur, Query]]


@dataclass(frozen=True, slots=True)
class Plan:
    """One query of the index.

    Attributes:
        query: Without the caller's filters; None for all titles.
        titles: The same titles without scores, where that is cheaper to count.
        ranked: False where only conditions are asked: then popularity orders.
        weighted: Popularity is part of relevance.
        relaxed: Something the query says is not required.
    """

    query: Query | None
    titles: Query | None = None
    ranked: bool = True
    weighted: bool = True
    relaxed: bool = False


class Planner:
    """Makes the plans for one query.

    Args:
        synonyms_of: Words that mean much the same as one.
        filters: The caller's: which of several titles of one name is the best known depends on them.
    """

    def __init__(
        self,
        index: TitleIndex,
        asked: Understanding,
        *,
        synonyms_of: Callable[[str], Sequence[str]],
        filters: Sequence[Query] = (),
    ) -> None:
        self._index = index
        self._schema = index.schema
        self._asked = asked
        self._synonyms_of = synonyms_of
        self._filters = filters

    @property
    def is_description(self) -> bool:
        """Whether the query tells what happens, and names neither a title nor a person."""
        asked = self._asked
        return asked.kind in {"question", "words"} and not asked.people and len(asked.words) >= DESCRIPTION_WORDS

    def plans(self) -> Iterator[Plan]:
        """What to try, the most literal first."""
        match self._asked.kind:
            case "browse":
                yield Plan(None, ranked=False)
            case "person":
                yield Plan(self._person_titles())
                yield Plan(self._matching())
            case "question" if self._asked.near:
                yield from self._model_plans()
            case "question":
                yield from self._question_plans()
                yield from self._word_plans()
            case "name" | "words":
                yield from self._word_plans()

    def _model_plans(self) -> Iterator[Plan]:
        """The titles that a model named, then those that the question finds."""
        asked = self._asked
        named = Query.disjunction_max_query(self._alike())
        known = self._rarest(asked.words)
        yield Plan(Query.disjunction_max_query([named, self._some_words(known)]) if known else named, relaxed=True)
        yield from self._question_plans()

    def _word_plans(self) -> Iterator[Plan]:
        if not self._asked.words:
            return
        telling = content_words(self._asked.words)
        if self._asked.kind == "name" or len(telling) <= _MOST_WORDS_OF_ONE_TITLE:
            counted = None if self._asked.near else matched(self._schema, readings_of(self._asked.words))
            yield Plan(self._matching(), counted)
        if any(map(self._synonyms_of, telling)):
            yield Plan(self._all_words(telling))
        known = self._rarest(telling)
        if known := [word for word in known if not word.isdigit()] or known:  # "godfather 2": no title has the 2
            if len(telling) <= _MOST_REQUIRED_WORDS:
                yield Plan(having_most(self._schema, known), relaxed=True)
            yield Plan(self._some_words(known), relaxed=True)

    def _matching(self) -> Query:
        """Titles that have all words, and those whose name is one of the near ones."""
        asked, readings = self._asked, readings_of(self._asked.words)
        named = asked.kind == "name"
        best = IndexNames(self._index).most_popular(readings[0], self._filters) if named else 0.0
        query = matching(self._schema, readings, known_from=best - _FAR_LESS_POPULAR)
        return Query.disjunction_max_query([query, *self._alike()]) if asked.near else query

    def _alike(self) -> list[Query]:
        """Titles of the names that are near, likeliest first."""
        return [
            Query.const_score_query(self._term(field, key), _ALIKE - 20 * place)
            for place, name in enumerate(self._asked.near)
            for field, key in (
                ("name_key", name[:MAX_TERM_CHARS]),
                ("bare_key", without_article(name)[:MAX_TERM_CHARS]),
                ("alternative_key", without_article(name)[:MAX_TERM_CHARS]),
            )
        ]

    def _person_titles(self) -> Query:
        """The titles of a person: those played in or directed, then those written, then those named so."""
        key = joined(self._asked.person or "")
        roles = (("actor_key", _CREDITED), ("director_key", _CREDITED), ("writer_key", _WROTE))
        credited = [Query.const_score_query(self._term(field, key), score) for field, score in roles]
        named = Query.const_score_query(phrase(self._schema, "name", self._asked.words), _NAMED)
        return Query.disjunction_max_query([*credited, named])

    def _question_plans(self) -> Iterator[Plan]:
        asked = self._asked
        words = tuple(dict.fromkeys(asked.words))
        described = len(words) >= DESCRIPTION_WORDS
        people = [self._by(mention.name, ROLES[mention.role]) for mention in asked.people]
        stated, telling = firm(self._schema, asked.slots), loose(self._schema, asked.slots)
        wanted = self._word_signs(words)
        conditions = [*people, *stated] if described else [*people, *stated, *telling]
        signs = [*_fitting(telling), *wanted] if described else wanted
        if not words:
            yield _plan(conditions, [])
        elif len(words) <= _MOST_REQUIRED_WORDS:
            named = (Occur.Should, matching(self._schema, readings_of(words)))  # "dune movie": Dune before its sequels
            yield _plan([*conditions, self._all_words(words)], [named, *signs])
        if words and (people or (described and asked.slots.numbers.year_from is not None)):
            yield _plan(conditions, signs, relaxed=not described)
        elif known := self._rarest(words):
            if len(words) <= _MOST_REQUIRED_WORDS:
                yield _plan([*conditions, having_most(self._schema, known)], signs, relaxed=True)
            yield _plan([*conditions, self._some_words(known)], signs, relaxed=True)
        if people:
            yield from self._people_plans([*_fitting([*stated, *telling]), *wanted])
        elif not words and asked.slots.asks_for_offers:
            yield _plan([*firm(self._schema, asked.slots, offers=False), *telling], [], relaxed=True)

    def _people_plans(self, signs: Signs) -> Iterator[Plan]:
        """With people in whatever role, and fewer and fewer of them; in the end years and the rest only order."""
        anyone = [self._by(mention.name, ("person_key",)) for mention in self._asked.people]
        some = Query.boolean_query([(Occur.Should, person) for person in anyone])
        counted = [(Occur.Should, Query.const_score_query(person, _ONE_OF_PEOPLE)) for person in anyone]
        for off_by in (0, 1):
            if of_years := years(self._schema, self._asked.slots, off_by=off_by):
                yield _plan([*anyone, *of_years], signs, relaxed=True)
                yield _plan([some, *of_years], [*signs, *counted], relaxed=True)
        yield _plan(anyone, signs, relaxed=True)
        yield _plan([some], [*signs, *counted], relaxed=True)

    def _by(self, name: str, fields: Sequence[str]) -> Query:
        return Query.boolean_query([(Occur.Should, self._term(field, joined(name))) for field in fields])

    def _word_signs(self, words: Sequence[str]) -> Signs:
        """The words wherever they are, the rarer the more they count; more in a name or a keyword.

        tantivy's own BM25 prefers short texts: titles that hardly anything is known of.
        """
        signs: Signs = []
        for word in self._rarest(words):
            for form in (word, *self._synonyms_of(word)):
                told = Query.const_score_query(self._every_word(form), self._rarity(form.split()[0]))
                signs.append((Occur.Should, told))
            signs += [
                (Occur.Should, Query.const_score_query(self._term(field, word), _WORD_IN_NAME))
                for field in ("name", "keyword")
            ]
        return signs

    def _all_words(self, words: Sequence[str]) -> Query:
        """Each of the words, or one that means much the same."""
        needed = []
        for word in dict.fromkeys(words):
            forms = [self._every_word(form) for form in (word, *self._synonyms_of(word))]
            needed.append((Occur.Must, Query.boolean_query([(Occur.Should, form) for form in forms])))
        return Query.boolean_query(needed)

    def _every_word(self, form: str) -> Query:
        return Query.boolean_query([(Occur.Must, self._term("words", word)) for word in form.split()])

    def _some_words(self, known: Sequence[str]) -> Query:
        """Titles with two of the words, the rarer the more they count."""
        told = [(Occur.Should, Query.const_score_query(self._term("words", w), self._rarity(w))) for w in known]
        return Query.boolean_query(told, minimum_number_should_match=min(2, len(told)))

    def _rarest(self, words: Sequence[str]) -> list[str]:
        """The known words that tell most, in the order of the query."""
        known = [word for word in dict.fromkeys(words) if self._index.count("words", word)]
        best = set(sorted(known, key=lambda word: self._index.count("words", word))[:_MOST_TELLING_WORDS])
        return [word for word in known if word in best]

    def _rarity(self, word: str) -> float:
        return math.log(1 + self._index.size / max(1, self._index.count("words", word)))

    def _term(self, field: str, value: str) -> Query:
        return Query.term_query(self._schema, field, value)


def in_order(ids: Sequence[str], index: TitleIndex) -> Plan:
    """These titles, in this order."""
    ranked = [
        (Occur.Should, Query.const_score_query(Query.term_query(index.schema, "id", title_id), float(len(ids) - place)))
        for place, title_id in enumerate(ids)
    ]
    return Plan(Query.boolean_query(ranked), weighted=False, relaxed=True)


def _plan(conditions: Sequence[Query], signs: Signs, *, relaxed: bool = False) -> Plan:
    required = [(Occur.Must, unscored(condition)) for condition in conditions]
    if not signs:
        return Plan(Query.boolean_query(required) if required else None, ranked=False, relaxed=relaxed)
    base = (Occur.Must, Query.const_score_query(Query.all_query(), 1.0))
    return Plan(
        Query.boolean_query([base, *required, *signs]), Query.boolean_query(required) if required else None,
        relaxed=relaxed,
    )  # fmt: skip


def _fitting(conditions: Sequence[Query]) -> Signs:
    return [(Occur.Should, Query.const_score_query(condition, _FITTING_CONDITION)) for condition in conditions]
