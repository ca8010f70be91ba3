"""Finds people in a query: whole names that the catalogue knows, and near ones where something says a name follows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from .text import FILLERS, QueryText, Token

PersonRole = Literal["actor", "director", "writer", "maker", "any"]

_LONGEST_NAME = 4
_SHORTEST_SINGLE = 4
# So many rows of words are held against all names: each takes a third of a millisecond.
_MOST_SUSPECTS = 3
# Without anything that says so, a name must be that of somebody with more than one title, unless the query is short.
_SHORT_QUERY = 7

_CUES: tuple[tuple[PersonRole, re.Pattern[str]], ...] = (
    ("director", re.compile(
        r"\b(?:(?:co )?directed(?: and \w+)?(?: by)?|director|directors|filmmaker|directs|directing|helmed by)$")),
    ("writer", re.compile(r"\b(?:written by|writer|screenwriter|penned by|screenplay by)$")),
    ("actor", re.compile(
        r"\b(?:starring|star|stars|starred|staring|featuring|features|featured|feature|with|played by|acted by"
        r"|actors?|actress(?:es)?|plays|acting|cast|casts|casting|costarring|voiced by|portrayed by|pairs|paired"
        r"|teams|teamed)$")),
    ("maker", re.compile(r"\b(?:made by|by)$")),
)  # fmt: skip
# Beside a name these say nothing more.
CUE_WORDS = frozenset((
    "actor", "actors", "actress", "cast", "directed", "director", "directors", "directs", "feature", "featured",
    "features", "featuring", "filmmaker", "played", "plays", "star", "starred", "staring", "writer", "written",
))  # fmt: skip
# What a cue ends with, or padding that may follow one.
_LAST_OF_CUES = CUE_WORDS | frozenset((
    "by", "with", "starring", "stars", "acting", "casts", "casting", "costarring", "pairs", "paired", "teams",
    "teamed", "and", "young", "directing", "penned", "screenwriter", "or",
))  # fmt: skip
# Between a cue and the name.
_PADDING = re.compile(r"(?:\b(?:a|an|the|young|legendary|also|and|or|famous|both|as|in|actor|actress|by) ?)+$")
_DIRECTED_AFTER = re.compile(r"^(?: s)? (?:directed|directs)\b")
_JOINS = re.compile(r"^(?:[\s|]*|[\s|]*\b(?:and|or|also|with)\b[\s|]*)$")


@dataclass(frozen=True, slots=True)
class Mention:
    """A person named in a query.

    Attributes:
        name: Folded; as the catalogue has it where the query has it misspelt.
        written: As the query has it.
        role: `maker` is director or writer.
        cued: Something beside it says that a person is meant.
    """

    name: str
    written: str
    role: PersonRole
    cued: bool
    start: int
    end: int


CountOf = Callable[[str], int]
NearestPerson = Callable[[str], str | None]
Possible = Callable[[Sequence[str]], Sequence[bool]]


def take_people(text: QueryText, titles_of: CountOf, possible: Possible | None = None) -> list[Mention]:
    """Take the known names from the text.

    Args:
        titles_of: How many titles somebody of this folded name has.
        possible: Of many folded names at once, which may be known: to ask only for those.
    """
    found: list[Mention] = []
    tokens = text.tokens()
    reached = 0
    for place, rows in _possible_rows(tokens, possible).items():
        if tokens[place].start < reached:
            continue
        mention = _mention(text, rows, found, titles_of, short=len(tokens) <= _SHORT_QUERY)
        if mention is not None:
            found.append(mention)
            reached = mention.end
    for mention in found:
        text.remove(mention.start, mention.end)
    return found


def take_misspelt_people(
    text: QueryText, found: Sequence[Mention], *, knows_word: Callable[[str], bool], nearest: NearestPerson
) -> list[Mention]:
    """Take names that are nearly those of known people: after a cue, or with a word that no title has."""
    more: list[Mention] = []
    for row in islice(_suspects(text, found, knows_word), _MOST_SUSPECTS):
        written = " ".join(token.word for token in row)
        start, end = row[0].start, row[-1].end
        if any(mention.start < end and start < mention.end for mention in more):
            continue
        name = nearest(written)
        if name is not None:
            role = _role_before(text.left, start, [*found, *more]) or "any"
            more.append(Mention(name, written, role, True, start, end))
    for mention in more:
        text.remove(mention.start, mention.end)
    return more


def _possible_rows(tokens: Sequence[Token], possible: Possible | None) -> dict[int, list[Sequence[Token]]]:
    """By place the rows of words that may be a name, the longest first."""
    rows = list(_written_rows(tokens))
    names = [name for _, _, name in rows]
    likely = _likely(names, possible) if possible and rows else [True] * len(rows)
    by_place: dict[int, list[Sequence[Token]]] = {}
    for (place, stop, _), is_likely in zip(rows, likely, strict=True):
        if is_likely:
            by_place.setdefault(place, []).insert(0, tokens[place:stop])
    return by_place


def _likely(names: Sequence[str], possible: Possible) -> list[bool]:
    """Of each row whether it may be a name, or one and an "s": "ridley scotts"."""
    bare = {name: name[:-1] for name in names if name.endswith("s")}
    asked = [*names, *bare.values()]
    likely = dict(zip(asked, possible(asked), strict=True))
    return [likely[name] or (name in bare and likely[bare[name]]) for name in names]


def _written_rows(tokens: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
    """Where words in a row that may be a name begin and end, and how they are written; the shorter first."""
    for place, token in enumerate(tokens):
        if token.barrier or token.word in FILLERS:
            continue
        name = token.word
        if _may_stand_alone(tokens, place):
            yield place, place + 1, name
        for stop, other in enumerate(tokens[place + 1 : place + _LONGEST_NAME], place + 2):
            if other.barrier:
                break
            name = f"{name} {other.word}"
            if other.word not in FILLERS:
                yield place, stop, name


def _may_stand_alone(tokens: Sequence[Token], place: int) -> bool:
    """Whether a single word here may be a name: something must say that one follows."""
    return place > 0 and len(tokens[place].word) >= _SHORTEST_SINGLE and tokens[place - 1].word in _LAST_OF_CUES


def _mention(
    text: QueryText, rows: Sequence[Sequence[Token]], found: Sequence[Mention], titles_of: CountOf, *, short: bool
) -> Mention | None:
    for row in rows:
        name, titles = _known(_written(row), titles_of)
        if titles == 0:
            continue
        role = _role_before(text.left, row[0].start, found)
        if role is None and (len(row) == 1 or (titles < 2 and not short)):
            continue
        start, end = row[0].start, row[-1].end
        if role is None and _DIRECTED_AFTER.match(text.left[end : end + 20]):
            role = "director"
        if text.left.startswith(" s", end) and not text.left[end + 2 : end + 3].strip():
            end += 2
        return Mention(name, _written(row), role or "any", role is not None, start, end)
    return None


def _written(row: Sequence[Token]) -> str:
    return " ".join([token.word for token in row])


def _rows(tokens: Sequence[Token], place: int) -> Iterator[Sequence[Token]]:
    """Words in a row from here that may be a name, the most first."""
    if tokens[place].word in FILLERS:
        return
    end = place
    while end < min(len(tokens), place + _LONGEST_NAME) and not tokens[end].barrier:
        end += 1
    for stop in range(end, place, -1):
        row = tokens[place:stop]
        if row[-1].word not in FILLERS:
            yield row


def _known(written: str, titles_of: CountOf) -> tuple[str, int]:
    titles = titles_of(written)
    if titles == 0 and written.endswith("s") and len(written) > 6:
        return written[:-1], titles_of(written[:-1])
    return written, titles


def _role_before(text: str, start: int, found: Sequence[Mention]) -> PersonRole | None:
    """What the words before say of the role; after "and" it is that of the person before."""
    before = text[:start].rstrip()
    for mention in reversed(found):
        if mention.end <= start and _JOINS.match(text[mention.end : start]):
            return mention.role if mention.cued else None
    role = _cue_at_end(before)
    return role or _cue_at_end(_PADDING.sub("", before).rstrip())


def _cue_at_end(before: str) -> PersonRole | None:
    tail = before[-40:]
    return next((role for role, cue in _CUES if cue.search(tail)), None)


def _suspects(
    text: QueryText, found: Sequence[Mention], knows_word: Callable[[str], bool]
) -> Iterator[Sequence[Token]]:
    """Rows of two or three words that may be a misspelt name."""
    tokens = text.tokens()
    strange = [not token.barrier and len(token.word) > 2 and not knows_word(token.word) for token in tokens]
    for place in range(len(tokens)):
        named = not found and place > 0 and tokens[place - 1].word in _LAST_OF_CUES
        for row in _rows(tokens, place):
            if len(row) in {2, 3} and (any(strange[place : place + len(row)]) or (named and len(row) == 2)):
                yield row
