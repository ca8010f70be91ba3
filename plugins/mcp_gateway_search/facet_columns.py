"""Where the values lie that facets count in wide results: in columns in which every title has exactly one value.

tantivy counts such a column ten times as fast as a field of which titles have several values, or none: there it looks
up for each title where its values are. So a title's first genre is in one column, its second in another, those for
which there is no column of their own are together in the last, and nothing is a value too.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from mcp_gateway.catalog.models import Title

from .cards import rating_of

# The last holds all further values.
COLUMNS: Mapping[str, Sequence[str]] = {
    "kind": ["kind_0"],
    "genre": ["genre_0", "genre_1", "genre_2", "genre_3", "genre_4"],
    "platform": ["platform_0", "platform_1", "platform_2"],
    "offer_kind": ["offer_kind_0", "offer_kind_1"],
    "language": ["language_0"],
    "certification": ["certification_0"],
    "decade": ["decade_0"],
    "rating_step": ["rating_step_0"],
}
ALL_COLUMNS = list(chain.from_iterable(COLUMNS.values()))

_NOTHING = ""
_BETWEEN = "\x1f"
_EMPTY = dict.fromkeys(ALL_COLUMNS, _NOTHING)


def column_values(title: Title, *, platforms: Collection[str], offer_kinds: Collection[str]) -> dict[str, str]:
    """What a title has in each column."""
    values = _EMPTY | _single_values(title)
    several = {"genre": dict.fromkeys(title.genres), "platform": platforms, "offer_kind": offer_kinds}
    for field, those in several.items():
        columns = COLUMNS[field]
        values.update(zip(columns, those, strict=False))
        if len(those) > len(columns):
            values[columns[-1]] = _BETWEEN.join(sorted(list(those)[len(columns) - 1 :]))
    return values


def values_in(column_value: str) -> Sequence[str]:
    """The values that a column's value stands for."""
    return column_value.split(_BETWEEN) if column_value != _NOTHING else ()


def _single_values(title: Title) -> dict[str, str]:
    rating = rating_of(title)
    values: dict[str, str] = {"kind_0": title.kind}
    if title.original_language is not None:
        values["language_0"] = title.original_language
    if title.certification is not None:
        values["certification_0"] = title.certification
    if title.year is not None:
        values["decade_0"] = str(title.year // 10 * 10)
    if rating is not None:
        values["rating_step_0"] = str(min(9, int(rating)))
    return values
