"""From names to keys: the texts that somebody who wants a name may begin to type."""

from __future__ import annotations

import re

from mcp_gateway.catalog.models import normalise_name, without_article

# Of a query, and of each key. Nobody types more before choosing; what is longer is found by its beginning.
MAX_CHARS = 48
# Of a name or query, before it is folded: what a pasted page costs is bounded here.
MAX_RAW_CHARS = 300
MAX_WORD_STARTS = 12

_SPACE_OR_CONTROL = re.compile(r"[\x00-\x20\x7f]+")


def fold(text: str) -> str:
    """The first `MAX_RAW_CHARS` with case, diacritics, punctuation and surplus space gone, and `&` read as `and`."""
    return _SPACE_OR_CONTROL.sub(" ", normalise_name(text[:MAX_RAW_CHARS])).strip()


def whole_keys(folded: str) -> list[str]:
    """The folded name, and if it begins with an article, also what follows."""
    short = without_article(folded)
    keys = [folded] if short == folded else [folded, short]
    return [key[:MAX_CHARS] for key in keys if key]


def word_keys(folded: str) -> list[str]:
    """What begins at each later word of the folded name."""
    short = without_article(folded)
    starts = [at + 1 for at, char in enumerate(short) if char == " "]
    return [short[start : start + MAX_CHARS] for start in starts[:MAX_WORD_STARTS]]
