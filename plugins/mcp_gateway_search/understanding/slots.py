"""Takes conditions from a query: kinds, genres, languages, platforms, certification, years, running time, rating."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .lexicon import Lexicon
from .numbers import Numbers, take_numbers
from .text import QueryText

_CERTIFICATIONS = {
    "nc 17": "NC-17", "pg 13": "PG-13", "pg": "PG", "tv y7 fv": "TV-Y7-FV", "tv y7": "TV-Y7", "tv y": "TV-Y",
    "tv g": "TV-G", "tv pg": "TV-PG", "tv 14": "TV-14", "tv ma": "TV-MA", "r": "R", "g": "G", "nr": "NR", "ur": "UR",
}  # fmt: skip
_ONE_OF = "|".join(_CERTIFICATIONS)
_CLEAR = "|".join(name for name in _CERTIFICATIONS if " " in name)
# "r" and "g" alone are letters; beside "rated" or a noun they are certifications.
_CERTIFIED = re.compile(
    rf"\b(?:(?:that are |with an? )?(?:rated|certified|certificate|certification) ({_ONE_OF})"
    rf"|({_ONE_OF}) (?:rated|rating|certified)"
    rf"|({_CLEAR})(?= |$)|(pg|r)(?= (?:\w+ )?(?:movie|film|flick|comed|thriller)))\b"
)
_CERTIFIED_HINTS = frozenset((
    "rated", "rating", "certified", "certificate", "certification", "nc", "pg", "tv", "r",
))  # fmt: skip
_LANGUAGE_NOISE = r"(?: language| speaking| spoken| lang)?"
_MONETIZATION = {
    "free": "free", "for free": "free", "to rent": "rent", "to buy": "buy", "with ads": "ads", "in cinemas": "cinema",
    "in theaters": "cinema",
}  # fmt: skip
_PAID = re.compile(rf"\b(?:available )?({'|'.join(sorted(_MONETIZATION, key=len, reverse=True))})(?= on\b|$)")
_PAID_HINTS = frozenset(phrase.split()[-1] for phrase in _MONETIZATION)
_PLATFORM_CUE = re.compile(r"(?:^| )(?:available |streaming |watch |is )*(?:on|at|via|from)$")
_REGION_CUE = re.compile(r"(?:^| )(?:available |streaming |watch |is )*(?:in)$")
# Short names of platforms are words as well ("max"): they need "on" before them.
_CLEAR_PLATFORM_CHARS = 4


@dataclass(slots=True)
class Slots:
    """Conditions found in a query.

    Attributes:
        kinds_implied: No noun for the kind was said, but a genre's plural.
        noun: The query names what it looks for ("films", "thrillers"): it is a question, not a name.
    """

    kinds: list[str] = field(default_factory=list)
    genres: list[str] = field(default_factory=list)
    moods: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    countries: list[str] = field(default_factory=list)
    platforms: list[str] = field(default_factory=list)
    monetization: list[str] = field(default_factory=list)
    region: str | None = None
    certification: str | None = None
    numbers: Numbers = field(default_factory=Numbers)
    kinds_implied: bool = False
    noun: bool = False

    @property
    def asks_for_offers(self) -> bool:
        """Whether there is a condition on where or how to watch."""
        return bool(self.platforms or self.region or self.monetization)

    @property
    def any(self) -> bool:
        """Whether there is any condition besides the kind."""
        return bool(
            self.genres
            or self.languages
            or self.countries
            or self.asks_for_offers
            or self.certification
            or self.numbers.any
        )


def take_slots(text: QueryText, lexicon: Lexicon) -> Slots:
    """Take the conditions that the text has."""
    found = Slots()
    if text.had_any(_CERTIFIED_HINTS):
        text.take(_CERTIFIED, lambda match: _certify(found, match))
    found.numbers = take_numbers(text)
    if text.had_any(_PAID_HINTS):
        text.take(_PAID, lambda match: _pay(found, match))
    _take_phrases(text, lexicon, found)
    return found


def _certify(found: Slots, match: re.Match[str]) -> bool:
    found.certification = _CERTIFICATIONS[next(group for group in match.groups() if group)]
    return True


def _pay(found: Slots, match: re.Match[str]) -> bool:
    found.monetization.append(_MONETIZATION[match[1]])
    return True


def _take_phrases(text: QueryText, lexicon: Lexicon, found: Slots) -> None:
    reached = 0
    phrases = list(text.phrases(lexicon.slots, longest=lexicon.longest, begin_with=lexicon.first_words))
    for phrase, start, end in phrases:
        slot = lexicon.slots[phrase]
        if start < reached or not _use(text, lexicon, found, slot, phrase, start):
            continue
        stop = _after_noise(text, end) if slot == "languages" else end
        begin = _before_cue(text, start) if slot in {"platforms", "regions", "languages"} else start
        text.remove(begin, stop)
        reached = stop


def _use(text: QueryText, lexicon: Lexicon, found: Slots, slot: str, phrase: str, start: int) -> bool:
    """Note what the phrase means; False where it means nothing in this place."""
    values = lexicon.phrases[slot][phrase]
    if slot in {"platforms", "regions"}:
        surely = len(phrase) > _CLEAR_PLATFORM_CHARS
        return _use_offer(found, slot, values[0], text.left[:start].rstrip(), surely=surely)
    match slot:
        case "kinds":
            found.noun = True
            _add(found.kinds, values)
        case "languages":
            _add(found.languages, values)
        case "countries":
            _add(found.countries, values)
        case _:
            _add(found.genres, values)
    if slot == "moods":
        _add(found.moods, (phrase,))
    if phrase in lexicon.phrases["nouns"]:
        found.noun = found.kinds_implied = True
    return True


def _use_offer(found: Slots, slot: str, value: str, before: str, *, surely: bool) -> bool:
    if slot == "platforms":
        if not surely and not _PLATFORM_CUE.search(before):
            return False
        _add(found.platforms, (value,))
        return True
    asked = found.platforms or "available" in before or "watch" in before
    if not asked or not _REGION_CUE.search(before):
        return False
    found.region = value
    return True


def _add(known: list[str], values: tuple[str, ...]) -> None:
    known += [value for value in values if value not in known]


def _after_noise(text: QueryText, end: int) -> int:
    noise = re.compile(_LANGUAGE_NOISE + r"(?= |$)").match(text.left, end)
    return noise.end() if noise else end


def _before_cue(text: QueryText, start: int) -> int:
    cue = re.search(r"(?:\b(?:available|streaming|to watch|to stream) )?\b(?:on|in|via|at|from) $", text.left[:start])
    return cue.start() if cue else start
