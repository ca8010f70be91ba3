"""From a query to what it means: exact names first, then conditions, then names and words that are nearly right.

What is written as the catalogue writes it is never changed. What is changed is said, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mcp_gateway.catalog.models import without_article

from .intent import Correction, Understanding
from .lexicon import Lexicon
from .likeness import ALTERNATIVE, PERSON, TITLE, Both, FewStrings, Likeness, Near
from .people import CUE_WORDS, Mention, take_misspelt_people, take_people
from .slots import Slots, take_slots
from .spelling import Respelt, allowed_edits, is_correctable, respell, why
from .text import FILLERS, QueryText
from .words import MAX_WORD_CHARS, Reading, readings_of, words_of

# A word that fewer titles have may be a misspelling that got into the catalogue.
_SURELY_KNOWN = 3
_COMMON = 50
_OFTEN = 20
_MOST_TRIED = 6
# A description so long, without anything else to hold on to, is worth asking a model.
_LONG_DESCRIPTION = 12
# Where words of the query stand in the name of a title, only a name that is so much better known is preferred.
_MORE_POPULAR = 0.35
# A title so popular is meant by words of its name, whatever else the words may be.
_WELL_KNOWN = 0.5
# Two letters of a name so long are hardly right by chance, even if all its words are.
_LONG_NAME = 12
# More words are a description.
_LONGEST_NAME_WORDS = 10
_WORD_KIND = 8


class Names(Protocol):
    """The names and words of the catalogue as they are written."""

    def is_title(self, reading: Reading) -> bool:
        """Whether a title is called so, and is of that year."""
        ...

    def spaced(self, name: str) -> str | None:
        """A name that differs from this one only in its spaces."""
        ...

    def titles_of(self, person: str) -> int:
        """How many titles somebody of this name has; spaces do not matter."""
        ...

    def titles_with(self, word: str) -> int:
        """How many titles can be found by this word."""
        ...

    def any_title_with(self, words: Sequence[str]) -> bool:
        """Whether a title has all the words."""
        ...

    def phrase_popularity(self, words: Sequence[str]) -> float:
        """How popular the best-known title is whose name has these words in a row, from 0 to 1; -1 without one."""
        ...


class MisspeltNames(Protocol):
    """Names and words by likeness."""

    names: Likeness
    words: Likeness

    def possible_people(self, names: Sequence[str]) -> Sequence[bool]:
        """Of each folded name whether somebody may be called so; spaces do not matter."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken from the text of a query so far."""

    text: QueryText
    slots: Slots
    people: list[Mention]


class QueryProcessor:
    """Understands queries. Everything is in memory: well below a millisecond."""

    def __init__(self, names: Names, lexicon: Lexicon) -> None:
        self._names = names
        self._lexicon = lexicon
        self._lexicon_words = FewStrings({word: (_WORD_KIND, 1.0) for word in lexicon.words if len(word) > 3})

    def exact(self, query: str) -> Understanding | None:
        """What a query means that is written as the catalogue writes a name, or is no words at all."""
        words, _ = words_of(query)
        if not words:
            return Understanding("browse", (), 1.0)
        if any(self._names.is_title(reading) for reading in readings_of(words)):
            return Understanding("name", words, 1.0)
        return None

    def understand(self, query: str, misspelt: MisspeltNames | None) -> Understanding:
        """What a query means. Without `misspelt` only what is written right is recognised."""
        return self.exact(query) or self.inexact(query, misspelt)

    def inexact(self, query: str, misspelt: MisspeltNames | None) -> Understanding:
        """What a query means that is not exactly a name."""
        words, _ = words_of(query)
        name = " ".join(words)
        if self._is_person(words):
            return Understanding("person", words, 1.0, person=name)
        taken = self._take(query, misspelt)
        question = _question(taken)
        if question.kind == "question":
            if len(words) <= _LONGEST_NAME_WORDS and self._is_in_known_name(words, question):
                return Understanding("words", words, 0.9)
            if question.confidence >= 0.95 or self._names.is_title(Reading(question.words)):
                return question
        return (
            self._spaced(name)
            or (self._near(words, misspelt) if misspelt else None)
            or self._respelt(words, taken, question, misspelt)
        )

    def _is_in_known_name(self, words: Sequence[str], question: Understanding) -> bool:
        """Whether words that may be conditions are rather part of a name, as "rocky horror" and "2001" are."""
        if question.confidence >= 0.95 and not (len(words) == 1 and words[0].isdigit()):
            return False
        return self._names.phrase_popularity(words) >= _WELL_KNOWN

    def _is_person(self, words: Sequence[str]) -> bool:
        name = " ".join(words)
        return len(name) > 3 and self._names.titles_of(name) > (0 if len(words) > 1 else 1)

    def _spaced(self, name: str) -> Understanding | None:
        spaced = self._names.spaced(name)
        if spaced is None:
            return None
        words, _ = words_of(spaced)
        return Understanding("name", words, 0.97, correction=Correction(spaced, "a name that is spaced differently"))

    def _near(self, words: tuple[str, ...], misspelt: MisspeltNames) -> Understanding | None:
        """The name that is nearly the query, when it is near enough for its length."""
        if len(words) > _LONGEST_NAME_WORDS:
            return None
        name = " ".join(words)[:MAX_WORD_CHARS]
        found = misspelt.names.nearest(name, most_edits=allowed_edits(len(name)))
        if not found:
            return None
        written = next((near for near in found if near.distance == 0), None)
        if written is not None:  # somebody with a single name, or a name so new that the index has it by now
            person = None if written.kinds & (TITLE | ALTERNATIVE) else name
            return Understanding("person" if person else "name", words, 1.0, person=person)
        best = found[0]
        certain = self._all_known(words) and self._names.any_title_with(words)
        if certain and best.distance > (0 if len(name) < 5 else 1 if len(name) < _LONG_NAME else 2):
            return None
        if certain and best.kinds == PERSON and best.popularity < _WELL_KNOWN:
            return None
        phrase = self._names.phrase_popularity(words)
        if phrase >= 0 and phrase + (_MORE_POPULAR if certain else _MORE_POPULAR / 3) > best.popularity:
            return None
        if best.popularity < _WELL_KNOWN and (best.kinds == PERSON or best.distance > 1):
            popularity, fixed = self._famous_phrase(words, misspelt)
            if popularity >= best.popularity + _MORE_POPULAR:
                return _respelt(Understanding("words", fixed.words, 0.9), fixed)
        return self._corrected(words, best, found[1:], certain=certain)

    def _famous_phrase(self, words: Sequence[str], misspelt: MisspeltNames) -> tuple[float, Respelt]:
        """The rarest word replaced so that the words stand in the best-known name, and how popular that is."""
        rarest = min(words, key=self._names.titles_with)
        best = -1.0, Respelt(tuple(words), ())
        if len(words) < 2 or not is_correctable(rarest) or self._names.titles_with(rarest) >= _OFTEN:
            return best
        for near in misspelt.words.nearest(rarest, most_edits=1 if len(rarest) < 6 else 2, limit=_MOST_TRIED):
            fixed = tuple(near.text if word == rarest else word for word in words)
            popularity = self._names.phrase_popularity(fixed)
            if popularity > best[0]:
                best = popularity, Respelt(fixed, ((rarest, near.text),))
        return best

    def _corrected(self, words: tuple[str, ...], best: Near, others: Sequence[Near], *, certain: bool) -> Understanding:
        taken, _ = words_of(best.text)
        doubt = certain or (bool(others) and others[0].cost - best.cost < 0.5)
        instead = " ".join(words) if certain else next((o.text for o in others if not _same(o, best)), None)
        person = not best.kinds & (TITLE | ALTERNATIVE) and bool(best.kinds & PERSON)
        return Understanding(
            "person" if person else "name",
            taken,
            max(0.5, 0.95 - 0.1 * best.distance),
            person=best.text if person else None,
            near=tuple(near.text for near in others),
            correction=Correction(best.text, f"{'a person' if person else 'a title'} of nearly this name: {why(best)}"),
            did_you_mean=instead if doubt else None,
        )

    def _respelt(
        self, words: tuple[str, ...], taken: Taken, question: Understanding, misspelt: MisspeltNames | None
    ) -> Understanding:
        """The question with its misspelt people and words put right."""
        if misspelt is None or self._all_known(words, least=1):
            return question
        nearer = _question(self._with_misspelt_people(taken, misspelt))
        if len(nearer.people) > len(question.people) or _is_narrow(nearer):
            return nearer
        fixed = self._respell(words, misspelt)
        if not fixed.changed:
            return nearer
        text = " ".join(fixed.words)
        exact = self.exact(text)
        if exact is None:
            exact = _question(self._with_misspelt_people(self._take(text, misspelt), misspelt))
        return _respelt(exact, fixed)

    def _respell(self, words: Sequence[str], misspelt: MisspeltNames) -> Respelt:
        """The words with those corrected that no title has."""

        def knows(word: str) -> bool:
            return word in self._lexicon.words or word in FILLERS or self._names.titles_with(word) > 0

        def is_common(word: str) -> bool:
            return self._names.titles_with(word) >= _COMMON

        return respell(words, knows=knows, is_common=is_common, like=Both(misspelt.words, self._lexicon_words))

    def _take(self, query: str, misspelt: MisspeltNames | None) -> Taken:
        """The conditions in a query and the people named as they are written."""
        text = QueryText(query)
        slots = take_slots(text, self._lexicon)
        possible = misspelt.possible_people if misspelt else None
        return Taken(text, slots, take_people(text, self._names.titles_of, possible))

    def _with_misspelt_people(self, taken: Taken, misspelt: MisspeltNames) -> Taken:
        """What was taken, with those who are nearly named; it is taken from the same text."""
        more = take_misspelt_people(
            taken.text, taken.people, knows_word=self._knows, nearest=lambda written: _nearest_person(written, misspelt)
        )
        return Taken(taken.text, taken.slots, [*taken.people, *more])

    def _knows(self, word: str) -> bool:
        return not is_correctable(word) or self._names.titles_with(word) >= _SURELY_KNOWN

    def _all_known(self, words: Sequence[str], least: int = _SURELY_KNOWN) -> bool:
        return all(word in FILLERS or self._names.titles_with(word) >= least for word in words)


def _question(taken: Taken) -> Understanding:
    """The conditions of a query, and the words beside them."""
    text, slots, people = taken.text, taken.slots, taken.people
    said = text.telling_words(CUE_WORDS if people else frozenset())
    words = tuple(word for part in said for word in part.split())
    wrong = [mention for mention in people if mention.name != mention.written]
    conditions = slots.any or slots.noun or bool(people)
    return Understanding(
        "question" if conditions else "words",
        words if conditions else words_of(text.query)[0],
        _confidence(slots, people, words),
        slots=slots,
        people=tuple(people),
        correction=_people_corrected(text.folded, wrong) if wrong else None,
    )


def _nearest_person(written: str, misspelt: MisspeltNames) -> str | None:
    found = misspelt.names.nearest(written, most_edits=min(2, allowed_edits(len(written))), kinds=PERSON, limit=1)
    return found[0].text if found else None


def _people_corrected(folded: str, wrong: Sequence[Mention]) -> Correction | None:
    for mention in wrong:
        folded = folded.replace(mention.written, mention.name)
    written = [mention for mention in wrong if not mention.written.startswith(mention.name)]
    if not written:
        return None
    return Correction(folded, "; ".join(f"nobody is called {mention.written!r}" for mention in written))


def _confidence(slots: Slots, people: Sequence[Mention], words: Sequence[str]) -> float:
    """How much of the query was understood. All of it is certain; many words beside conditions are a description."""
    conditions = slots.any or bool(people)
    if not words:
        return 0.95 if conditions or slots.noun else 0.5
    if conditions:
        return 0.8 if len(words) < 4 else 0.7
    return 0.6 if len(words) < 4 else 0.5 if len(words) < _LONG_DESCRIPTION else 0.4


def _is_narrow(understood: Understanding) -> bool:
    """Whether conditions alone leave so little that the other words only order it."""
    return bool(understood.people) or (len(understood.words) > 3 and understood.slots.numbers.year_from is not None)


def _respelt(understood: Understanding, fixed: Respelt) -> Understanding:
    """What the corrected words mean, with what was corrected."""
    reason = "; ".join(f"{wrong!r} is hardly a word of any title" for wrong, _ in fixed.changed)
    return replace(
        understood,
        confidence=max(0.3, understood.confidence - 0.1),
        correction=Correction(" ".join(fixed.words), reason),
    )


def _same(one: Near, other: Near) -> bool:
    return without_article(one.text) == without_article(other.text)
