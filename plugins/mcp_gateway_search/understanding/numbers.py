"""Years, running times and ratings in the words of a query."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .text import POINT, QueryText

_YEAR = r"(18[89]\d|19\d\d|20[0-4]\d)"
_DONE = r"(?:(?:that (?:were |was )?)?(?:made|released|shot|filmed|produced|came out|out|dating) )?"
_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_WORDS = {word: number for number, word in enumerate(_UNITS, 1)} | {"ninety": 90, "an": 1}
_NUMBER = rf"(\d+(?:{POINT}\d+)?|{'|'.join(_WORDS)})"
_DECADE_WORDS = {
    "twenties": 1920, "thirties": 1930, "forties": 1940, "fifties": 1950, "sixties": 1960, "seventies": 1970,
    "eighties": 1980, "nineties": 1990,
}  # fmt: skip

# Both ends count between two years; after and before leave the year itself out, since and until do not.
_RANGE = re.compile(
    rf"\b{_DONE}(?:between |from |in )?(?:the years )?{_YEAR} (?:and|to|until|till|through|thru) {_YEAR}\b"
)
_PAIR = re.compile(rf"\b{_DONE}(?:between |from |in )?{_YEAR} {_YEAR}$")
_AFTER = re.compile(rf"\b{_DONE}(?:after|newer than|later than|more recent than) (?:the year )?{_YEAR}\b")
_SINCE = re.compile(
    rf"\b{_DONE}(?:since (?:the year )?{_YEAR}|from {_YEAR} (?:on|onwards|onward|up)"
    rf"|{_YEAR} (?:or later|and later|or newer|onwards))\b"
)
_BEFORE = re.compile(rf"\b{_DONE}(?:before|prior to|older than|earlier than|pre) (?:the year )?{_YEAR}\b")
_UNTIL = re.compile(rf"\b{_DONE}(?:until|till|up to|no later than|by) (?:the year )?{_YEAR}\b")
_SINGLE = re.compile(rf"\b{_DONE}(?:from |in |of )?(?:the year |year )?{_YEAR}(?: s)?\b")
_DECADE = re.compile(
    rf"\b{_DONE}(?P<when>before |after |since |until |pre )?(?:from |in |of |during )?(?:the )?"
    r"(?P<part>early |mid |late )?(?:(?P<digits>(?:1[89]|20)?\d0) ?s(?: era)?"
    rf"|(?:nineteen )?(?P<word>{'|'.join(_DECADE_WORDS)}))\b"
)

_UNIT = r"(hours?|hrs?|h|minutes?|mins?|m)"
_TIME = (
    rf"{_NUMBER}(?: and (?:a )?half)? {_UNIT}(?: and {_NUMBER} (?:minutes?|mins?))?"
    r"(?: long| in length| of length)?"
)
_RUNS = r"\b(?:(?:that|which) (?:are|is|run|runs) )?"
_MOST = re.compile(
    rf"{_RUNS}(?:under|less than|shorter than|below|at most|no longer than|not longer than|no more than|up to|maximum"
    rf"|max|within) {_TIME}\b"
)
_LEAST = re.compile(
    rf"{_RUNS}(?:(?:of )?at least|over|more than|longer than|above|no shorter than|not shorter than|minimum"
    rf"|min) {_TIME}\b"
)
_MOST_AFTER = re.compile(rf"\b{_TIME} (?:or less|or shorter|max|maximum|at most)\b")
_LEAST_AFTER = re.compile(rf"\b{_TIME} (?:or more|or longer|plus|at least|minimum)\b")

_SCORE = r"(?:score|scores|scoring|rating|ratings|rated|stars|points)"
_VALUE = rf"(10|\d(?:{POINT}\d+)?)"
_OF_TEN = r"(?: ?(?:out of (?:10|ten)|stars|points|10))?"
_LEAST_OF = r"(?: (?:at least|over|above|higher than|better than|more than|minimum|greater than))?"
_OR_MORE = r"(?: (?:or|and) (?:more|higher|above|better|up|over))?"
_RATING = (
    re.compile(
        rf"\b(?:with )?(?:an? )?(?:(imdb) )?{_SCORE}(?: on (imdb))?(?: (?:is|of|at|with))*{_LEAST_OF} {_VALUE}{_OF_TEN}"
        rf"{_OR_MORE}(?: on (imdb))?\b"
    ),
    re.compile(
        rf"\b(?:with )?(?:at least|over|above|more than|better than|higher than) {_VALUE}{_OF_TEN}"
        rf"(?: (?:on|at) (imdb)| (?:imdb )?{_SCORE}|(?<=stars)|(?<=10))\b"
    ),
    re.compile(rf"\b(imdb){_LEAST_OF} {_VALUE}{_OR_MORE}\b"),
    re.compile(rf"\b{_VALUE} or (?:more|higher|above|better) on (imdb)\b"),
)

_DIGIT = re.compile(r"\d")
# Of what is said without digits, one of these is a part.
_NUMBER_WORDS = frozenset((*_DECADE_WORDS, "hour", "hours", "minute", "minutes"))
_ANY_YEAR = re.compile(_YEAR)
# Without one of these words there is no running time, no rating.
_TIME_HINTS = frozenset(("hour", "hours", "hr", "hrs", "h", "minute", "minutes", "min", "mins", "m"))
_RATING_HINTS = frozenset((
    "score", "scores", "scoring", "rating", "ratings", "rated", "stars", "points", "imdb", "10",
))  # fmt: skip

# In a description these tell the time of the story, not of the film.
_STORY_TIME = re.compile(r"(?:set|takes? place|back|war|man|world)(?: (?:in|during)(?: the)?)?$|during(?: the)?$")


@dataclass(slots=True)
class Numbers:
    """Bounds, both included; None is open. `rating_source` is `imdb` where only that one counts."""

    year_from: int | None = None
    year_to: int | None = None
    minutes_from: int | None = None
    minutes_to: int | None = None
    rating_from: float | None = None
    rating_source: str | None = None
    labels: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        """Whether there is any bound."""
        return any(
            bound is not None
            for bound in (self.year_from, self.year_to, self.minutes_from, self.minutes_to, self.rating_from)
        )


def take_numbers(text: QueryText) -> Numbers:
    """Take what numbers say from the text."""
    found = Numbers()
    if not _DIGIT.search(text.left) and not text.had_any(_NUMBER_WORDS):
        return found
    if text.had_any(_TIME_HINTS):
        _take_times(text, found)
    if text.had_any(_RATING_HINTS):
        _take_ratings(text, found)
    _take_years(text, found)
    return found


def _take_times(text: QueryText, found: Numbers) -> None:
    def most(match: re.Match[str]) -> bool:
        found.minutes_to = _minutes(match)
        return True

    def least(match: re.Match[str]) -> bool:
        found.minutes_from = _minutes(match)
        return True

    text.take(_MOST, most)
    text.take(_LEAST, least)
    text.take(_MOST_AFTER, most)
    text.take(_LEAST_AFTER, least)


def _minutes(match: re.Match[str]) -> int:
    amount = _number(match[1]) + (0.5 if "half" in match[0] else 0)
    if match[2].startswith("h"):
        amount *= 60
    return round(amount + (_number(match[3]) if match[3] else 0))


def _number(text: str) -> float:
    return float(_WORDS.get(text) or text.replace(POINT, ".")[:9])


def _take_ratings(text: QueryText, found: Numbers) -> None:
    def use(match: re.Match[str]) -> bool:
        groups = [group for group in match.groups() if group]
        found.rating_from = max(_number(group) for group in groups if group != "imdb")
        found.rating_source = "imdb" if "imdb" in groups else None
        return True

    for pattern in _RATING:
        if found.rating_from is None:
            text.take(pattern, use)


def _take_years(text: QueryText, found: Numbers) -> None:
    def between(match: re.Match[str]) -> bool:
        years = sorted((int(match[1]), int(match[2])))
        return _bound(found, years[0], years[1])

    def since(match: re.Match[str]) -> bool:
        year = next((group for group in match.groups() if group), None)
        return year is not None and _bound(found, int(year), None)

    if _ANY_YEAR.search(text.left):
        text.take(_RANGE, between)
        text.take(_PAIR, between)
        text.take(_AFTER, lambda match: _bound(found, int(match[1]) + 1, None))
        text.take(_SINCE, since)
        text.take(_BEFORE, lambda match: _bound(found, None, int(match[1]) - 1))
        text.take(_UNTIL, lambda match: _bound(found, None, int(match[1])))
    decade, single = _DECADE.search(text.left), _SINGLE.search(text.left)
    if decade and single and single.start() < decade.start():  # what is said first tells the film's time
        text.take(_SINGLE, lambda match: _single(text, match, found))
    if decade:
        text.take(_DECADE, lambda match: _decade(text, match, found))
    if single:
        text.take(_SINGLE, lambda match: _single(text, match, found))


def _single(text: QueryText, match: re.Match[str], found: Numbers) -> bool:
    year = int(match[1])
    return not _tells_story(text, match) and _bound(found, year, year)


def _decade(text: QueryText, match: re.Match[str], found: Numbers) -> bool:
    if _tells_story(text, match):
        return False
    first = _DECADE_WORDS[match["word"]] if match["word"] else _first_year(match["digits"])
    match (match["when"] or "").strip():
        case "before" | "pre":
            return _bound(found, None, first - 1)
        case "after":
            return _bound(found, first + 10, None)
        case "since":
            return _bound(found, first, None)
        case "until":
            return _bound(found, None, first + 9)
    low, high = {"early ": (0, 3), "mid ": (3, 6), "late ": (6, 9)}.get(match["part"] or "", (0, 9))
    return _bound(found, first + low, first + high)


def _first_year(digits: str) -> int:
    """Two digits are of the last century, but for the 00s and 10s."""
    number = int(digits)
    return number if number > 100 else number + (2000 if number < 20 else 1900)


def _tells_story(text: QueryText, match: re.Match[str]) -> bool:
    before = text.left[: match.start()].rstrip()
    told = _STORY_TIME.search(before)
    return match[0].startswith("during") or bool(
        told and (before.endswith((" in", " the")) or match[0].startswith("in "))
    )


def _bound(found: Numbers, first: int | None, last: int | None) -> bool:
    """Set the years, once: a second year tells something else."""
    if (first is not None and found.year_from is not None) or (last is not None and found.year_to is not None):
        return False
    found.year_from = first if first is not None else found.year_from
    found.year_to = last if last is not None else found.year_to
    return True
