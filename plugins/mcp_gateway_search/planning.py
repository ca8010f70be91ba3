"""From what a query means to queries of the index: the first that finds anything is the answer.

Each plan has conditions that must hold and signs that only order. The first plan takes the query at its word; those
after it give up, one after the other, what is least certain.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from tantivy import Occur, Query

from mcp_gateway.catalog.models import TitleId, without_article

from .index import TitleIndex
from .names import IndexNames
from .retrieval import having_most, matched, matching, phrase, unscored
from .schema import MAX_TERM_CHARS, joined
from .slot_queries import ROLES, firm, loose, years
from .understanding.intent import Understanding
from .understanding.words import content_words, readings_of

# So many free words and more are a description: they order what the conditions leave.
DESCRIPTION_WORDS = 3
# So many are a story. Whoever tells one guesses: two in three years that posts about forgotten films name are wrong.
_LONG_DESCRIPTION_WORDS = 14
_MOST_REQUIRED_WORDS = 8
# Of more words it is first looked whether any title has them all.
_FEW_WORDS = 3
# Of a long description the rarest words tell most, and the common ones take the time: so many words, and of those
# beyond the first few so many occurrences in all, or this share of a large catalogue's titles.
_MOST_TELLING_WORDS = 12
_FEW_TELLING_WORDS = 3
_MOST_OCCURRENCES = 15_000
_MOST_OCCURRENCES_SHARE = 0.04
# What so many of all titles have says nothing by where it occurs.
_COMMON_SHARE = 0.05

# A page that is not full is filled with titles that have a telling word of the query in their name: one that has this
# share of what all its words tell.
_TELLING_SHARE = 0.25

# What a telling word counts where it occurs in titles that fill a page.
_TELLING_FIELDS = {"name": 1.0, "alternative": 0.7, "keyword": 0.5}
# Behind the name of a film they make its sequels' names.
_NUMBERS = ("2", "3", "4", "5", "6", "7", "8", "9", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")

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
        like: Titles that are like those, to fill the page when they are few.
        without_offers: The query says where or how to watch, and that is not required.
    """

    query: Query | None
    titles: Query | None = None
    ranked: bool = True
    weighted: bool = True
    relaxed: bool = False
    like: Query | None = None
    without_offers: bool = False


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
        """Whether the query tells what happens, and says neither who made it nor, in a few words, when."""
        asked = self._asked
        if asked.kind not in {"question", "words"} or asked.people or len(asked.words) < DESCRIPTION_WORDS:
            return False
        return self._is_long or not years(self._schema, asked.slots)

    @property
    def _is_long(self) -> bool:
        """Whether a query is so long that what looks like a name or a year in it may be something else."""
        return len(self._asked.words) >= _LONG_DESCRIPTION_WORDS

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
                for plan in self._word_plans():
                    yield replace(plan, relaxed=True, without_offers=self._asked.slots.asks_for_offers)
            case "name" | "words":
                yield from self._word_plans()

    def in_order(self, ids: Sequence[TitleId]) -> Plan:
        """Those of the titles that meet the conditions, in this order; all of them for a long description."""
        ranked = [
            (Occur.Should, Query.const_score_query(self._term("id", title_id), float(len(ids) - place)))
            for place, title_id in enumerate(ids)
        ]
        stated = [] if self._is_long else firm(self._schema, self._asked.slots)
        required = [(Occur.Must, unscored(condition)) for condition in stated]
        chosen = (Occur.Must, Query.boolean_query(ranked))
        return Plan(Query.boolean_query([chosen, *required]), weighted=False, relaxed=True)

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
        if self._may_be_named():
            titles = matched(self._schema, readings_of(self._asked.words))
            if self._asked.near:
                alike = [(Occur.Should, query) for query in (titles, *self._alike())]
                yield Plan(self._matching(), Query.boolean_query(alike))
            else:
                yield Plan(self._matching(), titles, like=self._like(telling, titles))
        if any(map(self._synonyms_of, telling)):
            yield Plan(self._all_words(telling))
        known = self._rarest(telling)
        if known := [word for word in known if not word.isdigit()] or known:  # "godfather 2": no title has the 2
            if len(telling) <= _MOST_REQUIRED_WORDS:
                yield Plan(having_most(self._schema, known), relaxed=True)
            yield Plan(self._some_words(known), relaxed=True)

    def _may_be_named(self) -> bool:
        """Whether a title may have all words: to know that costs less than to look for one and rank it."""
        asked = self._asked
        if asked.kind == "name" or asked.near or len(readings_of(asked.words)) > 1 or len(asked.words) <= _FEW_WORDS:
            return True
        return IndexNames(self._index).any_title_with(asked.words)

    def _like(self, words: Sequence[str], found: Query) -> Query | None:
        """Other titles with telling words in their name, the rarer and the more popular the better."""
        told = {word: self._rarity(word, "name") for word in words if self._index.count("name", word)}
        least = _TELLING_SHARE * sum(told.values())
        signs = [
            (Occur.Should, Query.const_score_query(self._term(field, word), share * rarity))
            for word, rarity in told.items()
            if rarity >= least
            for field, share in _TELLING_FIELDS.items()
        ]
        return Query.boolean_query([*signs, (Occur.MustNot, found)]) if signs and len(words) > 1 else None

    def _matching(self) -> Query:
        """Titles that have all words, and those whose name is one of the near ones."""
        asked, readings = self._asked, readings_of(self._asked.words)
        named, bare = asked.kind == "name", without_article(readings[0].name)[:MAX_TERM_CHARS]
        known = IndexNames(self._index).well_known(readings[0], self._filters) if named else ()
        numbered = [key for number in _NUMBERS if self._index.count("bare_key", key := f"{bare} {number}")]
        common = self._common(asked.words)
        query = matching(self._schema, readings, known=known, numbered=numbered, common=common)
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
        telling = loose(self._schema, asked.slots)
        stated = firm(self._schema, asked.slots, among_few=bool(people or (telling and not described)))
        known = self._rarest(words)
        fitting, beside = telling if described else [], self._beside(known)
        conditions = [*people, *stated] if described else [*people, *stated, *telling]
        signs = [*self._counted(known), *beside]
        if not words:
            yield _plan(conditions, [])
        elif len(words) <= _MOST_REQUIRED_WORDS and self._may_have_all(words):
            named = (
                Occur.Should,
                matching(self._schema, readings_of(words), common=self._common(words)),
            )  # "dune movie": Dune before its sequels
            yield _plan([*conditions, self._all_words(words)], [named, *signs], fitting=fitting)
        if words and (people or (described and asked.slots.numbers.year_from is not None)):
            yield _plan(conditions, signs, fitting=fitting, relaxed=not described)
        elif known:
            if len(words) <= _MOST_REQUIRED_WORDS:
                yield _plan([*conditions, having_most(self._schema, known)], signs, fitting=fitting, relaxed=True)
            yield _plan(conditions, beside, fitting=fitting, counted=self._some_words(known), relaxed=True)
        if people:
            yield from self._people_plans(signs, fitting=[*stated, *telling])
        elif not words and asked.slots.asks_for_offers:
            plan = _plan([*firm(self._schema, asked.slots, offers=False), *telling], [], relaxed=True)
            yield replace(plan, without_offers=True)

    def _people_plans(self, signs: Signs, *, fitting: Sequence[Query]) -> Iterator[Plan]:
        """With people in whatever role, and fewer and fewer of them; in the end years and the rest only order."""
        anyone = [self._by(mention.name, ("person_key",)) for mention in self._asked.people]
        some = Query.boolean_query([(Occur.Should, person) for person in anyone])
        counted = [(Occur.Should, Query.const_score_query(person, _ONE_OF_PEOPLE)) for person in anyone]
        for off_by in (0, 1):
            if of_years := years(self._schema, self._asked.slots, off_by=off_by):
                yield _plan([*anyone, *of_years], signs, fitting=fitting, relaxed=True)
                yield _plan([some, *of_years], [*signs, *counted], fitting=fitting, relaxed=True)
        yield _plan(anyone, signs, fitting=fitting, relaxed=True)
        yield _plan([some], [*signs, *counted], fitting=fitting, relaxed=True)

    def _by(self, name: str, fields: Sequence[str]) -> Query:
        return Query.boolean_query([(Occur.Should, self._term(field, joined(name))) for field in fields])

    def _counted(self, words: Sequence[str]) -> Signs:
        """The words wherever they are, the rarer the more they count.

        tantivy's own BM25 prefers short texts: titles that hardly anything is known of.
        """
        return [
            (Occur.Should, Query.const_score_query(self._term("words", word), self._rarity(word))) for word in words
        ]

    def _beside(self, words: Sequence[str]) -> Signs:
        """Words that mean the same as these, and these in a name or a keyword."""
        signs: Signs = []
        for word in words:
            for form in self._synonyms_of(word):
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

    def _may_have_all(self, words: Sequence[str]) -> bool:
        """Whether a title may have all the words: that seldom is so for many, and then costs less to know first."""
        if len(words) < DESCRIPTION_WORDS:
            return True
        return self._index.search(unscored(self._all_words(words)), limit=1, weighted=False).total > 0

    def _every_word(self, form: str) -> Query:
        return Query.boolean_query([(Occur.Must, self._term("words", word)) for word in form.split()])

    def _some_words(self, known: Sequence[str]) -> Query:
        """Titles with two of the words, the rarer the more they count."""
        return Query.boolean_query(self._counted(known), minimum_number_should_match=min(2, len(known)))

    def _rarest(self, words: Sequence[str]) -> list[str]:
        """The known words that tell most, in the order of the query."""
        counts = {word: count for word in words if (count := self._index.count("words", word))}
        left = max(_MOST_OCCURRENCES, self._index.size * _MOST_OCCURRENCES_SHARE)
        best: set[str] = set()
        for word in sorted(counts, key=counts.__getitem__)[:_MOST_TELLING_WORDS]:
            left -= counts[word]
            if left >= 0 or len(best) < _FEW_TELLING_WORDS:
                best.add(word)
        return [word for word in counts if word in best]

    def _common(self, words: Sequence[str]) -> frozenset[str]:
        """The words that a good part of all titles have; none where all have been."""
        most = self._index.size * _COMMON_SHARE
        common = frozenset(word for word in words if self._index.count("words", word) > most)
        return common if len(common) < len(set(words)) else frozenset()

    def _rarity(self, word: str, field: str = "words") -> float:
        return math.log(1 + self._index.size / max(1, self._index.count(field, word)))

    def _term(self, field: str, value: str) -> Query:
        return Query.term_query(self._schema, field, value)


def _plan(
    conditions: Sequence[Query],
    signs: Signs,
    *,
    fitting: Sequence[Query] = (),
    counted: Query | None = None,
    relaxed: bool = False,
) -> Plan:
    """What must hold, and what only orders: signs, and conditions that are fitting; `counted` does both."""
    required = [(Occur.Must, unscored(condition)) for condition in conditions]
    if counted is not None:
        both = Query.boolean_query([*required, (Occur.Must, counted)])
        return Plan(_ordered(both, signs, fitting), both, relaxed=relaxed)
    titles = Query.boolean_query(required) if required else None
    if not signs and not fitting:
        return Plan(titles, ranked=False, relaxed=relaxed)
    base = Query.const_score_query(titles or Query.all_query(), 1.0)
    return Plan(_ordered(base, signs, fitting), titles, relaxed=relaxed)


def _ordered(titles: Query, signs: Signs, fitting: Sequence[Query]) -> Query:
    """The titles, those first that have more signs and meet more of the fitting conditions.

    Each condition by itself: of several signs tantivy reads all titles that have one, and of a genre there are many.
    """
    for condition in fitting:
        preferred = Query.const_score_query(condition, _FITTING_CONDITION)
        titles = Query.boolean_query([(Occur.Must, titles), (Occur.Should, preferred)])
    return Query.boolean_query([(Occur.Must, titles), *signs])
