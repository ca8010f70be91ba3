"""The index as questions see it: the segments of the last published state, whichever process published it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Literal

from mcp_gateway.catalog.models import without_article

from .blend import GROUP, Found, blend, found
from .index_folder import IndexFolder, Manifest
from .segment import Item, Segment, SuggestionType
from .segment_file import MATCH_SHIFT, BadSegment, Match
from .words import fold

log = logging.getLogger(__name__)

# Shorter texts begin too much for an error to be told from what was meant.
MIN_CHARS = 2
MIN_CHARS_WITH_ERROR = 4
# A text so long that begins a name may still be another one with an error: a longer one hardly ever is, and of a
# shorter one there are too many that may have been meant.
DOUBTFUL_CHARS = range(6, 8)

# Of words that stand apart, so many are looked at, and titles are looked for that have one of the rarest in their name.
_MAX_WORDS = 8
_ANCHOR_WORDS = 2

_TYPES: dict[Match, SuggestionType] = {
    Match.WHOLE: "title", Match.WORD: "title", Match.PERSON: "person", Match.GENRE: "genre",
}  # fmt: skip
_MATCHES = tuple(Match)
_LATER_WORDS = Match.WORD << MATCH_SHIFT  # entries below are of names' beginnings
_PEOPLE = Match.PERSON << MATCH_SHIFT  # entries below are of titles
_How = Literal["named", "beginning", "near"]
ALL_TYPES: frozenset[SuggestionType] = frozenset(_TYPES.values())


class SuggestIndex:
    """Reads the index. What it does takes some ten to some hundred microseconds."""

    def __init__(self, folder: IndexFolder) -> None:
        self.turn_to(folder)

    def turn_to(self, folder: IndexFolder) -> None:
        """Read this folder from now on: another catalogue has another."""
        self.folder = folder
        self.manifest: Manifest | None = None
        self.segments: list[Segment] = []
        self._opened: dict[str, Segment] = {}
        self._stamp: tuple[int, int] | None = None
        self._replaced: list[frozenset[str]] = []

    def refresh(self) -> None:
        """Take up the state last published, if it is another than the one in use. A microsecond if not."""
        stamp = self.folder.stamp()
        if stamp == self._stamp:
            return
        manifest = self.folder.read()
        try:
            opened = {name: self._open(name) for name in manifest.segments} if manifest else {}
        except (OSError, BadSegment) as error:
            # Replaced in this moment, or damaged: without a manifest the keeper builds anew.
            log.warning("suggest index cannot be opened", extra={"cause": str(error)[:300]})
            self.manifest, self._stamp = None, stamp
            return
        self._opened = opened
        self.segments = list(opened.values())
        self._replaced = _replaced_by_later(self.segments)
        self.manifest = manifest
        self._stamp = stamp

    def forget(self) -> None:
        """Read what was opened no more: it is damaged. The state next published is taken up."""
        self.manifest, self.segments, self._opened, self._replaced = None, [], {}, []

    def suggest(self, typed: str, limit: int, types: Collection[SuggestionType] = ALL_TYPES) -> list[Item]:
        """What may be meant, best first."""
        text = fold(typed)
        matches = {match for match, suggested in _TYPES.items() if suggested in types}
        if len(text) < MIN_CHARS:
            matching = self._found("named", text, limit) if text else []
        else:
            matching = self._found("beginning", text, limit)
            if sum(one.match <= Match.WORD for one in matching) < GROUP:
                matching += self._less_exact(text, limit, matching)
        # People and genres may be in several segments.
        spare = limit if len(self.segments) > 1 else 0
        chosen = blend((one for one in matching if one.match in matches), limit + spare)
        items = {(item.type, item.id): item for item in reversed([one.segment.item(one.entry) for one in chosen])}
        return list(reversed(items.values()))[:limit]

    def title(self, title_id: str) -> Item | None:
        """A title as it was last taken in."""
        for segment in reversed(self.segments):
            if item := segment.title(title_id):
                return item
        return None

    def _open(self, name: str) -> Segment:
        return self._opened.get(name) or Segment(self.folder.path / name)

    def _less_exact(self, text: str, limit: int, exact: Sequence[Found]) -> list[Found]:
        """What may be meant when little begins as typed: without its article, with an error mended, words apart."""
        near: list[Found] = []
        short = without_article(text)
        if short != text and len(short) >= MIN_CHARS:
            starts = self._found("beginning", short, limit)
            near += (found(one.segment, one.entry, Match.WORD) for one in starts if one.match == Match.WHOLE)
        is_sure = len(short) not in DOUBTFUL_CHARS and any(one.match == Match.WHOLE for one in exact)
        if len(text) >= MIN_CHARS_WITH_ERROR and not is_sure:
            near += self._found("near", text, limit)
        if " " in text and not any(one.match <= Match.WORD for one in (*exact, *near)):
            near += self._words_apart(text)
        return near

    def _words_apart(self, text: str) -> Iterator[Found]:
        """Titles of which all words are known, wherever they stand: `lord rings`, `nolan batman`, `dune 19`."""
        *before, last = text.split()[:_MAX_WORDS]
        if len(last) < MIN_CHARS:
            return
        wanted = [word.encode("utf-8", "replace") for word in (*(f" {word} " for word in before), f" {last}")]
        for segment, replaced in zip(self.segments, self._replaced, strict=True):
            rarest = sorted({*before, last}, key=segment.count)[:_ANCHOR_WORDS]
            anchors = {entry for word in rarest for entry in segment.beginning(word) if entry < _PEOPLE}
            for entry in anchors:
                if segment.says(entry, wanted) and segment.item(entry).id not in replaced:
                    yield found(segment, entry, Match.WORD)

    def _found(self, how: _How, text: str, at_most: int) -> list[Found]:
        """Of each segment and match the best items, but for those that a later segment has anew."""
        all_found: list[Found] = []
        for segment, replaced in zip(self.segments, self._replaced, strict=True):
            entries, named = _matching(segment, how, text)
            best = min((entry for entry in named if entry < _LATER_WORDS), default=-1)
            counts = dict.fromkeys(Match, 0)
            for entry, errors in entries:
                match = _MATCHES[entry >> MATCH_SHIFT]
                if (counts[match] < at_most or entry == best) and not (replaced and segment.item(entry).id in replaced):
                    counts[match] += 1
                    all_found.append(found(segment, entry, match, is_name=entry == best, errors=errors))
        return all_found


def _matching(segment: Segment, how: _How, text: str) -> tuple[Iterable[tuple[int, int]], list[int]]:
    """The entries that match, each with its errors; and those of which the whole key does."""
    if how == "near":
        near = segment.near(text)
        told = dict.fromkeys(near.shortened, 2) | dict.fromkeys((*near.mended, *near.whole), 1)
        return sorted(told.items(), key=itemgetter(1, 0)), near.whole
    named = sorted(segment.named(text))
    entries = named if how == "named" else [*named[:1], *segment.beginning(text)]
    return ((entry, 0) for entry in entries), named


def _replaced_by_later(segments: Sequence[Segment]) -> list[frozenset[str]]:
    """For each segment the ids of the titles that later ones have anew."""
    replaced: list[frozenset[str]] = []
    later: frozenset[str] = frozenset()
    for segment in reversed(segments):
        replaced.append(later)
        if segment is not segments[0]:
            later |= segment.title_ids
    return replaced[::-1]
