"""Looks for garbage seldom while much is taken in."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_OBJECTS = 200_000
"""A batch makes a hundred thousand objects that all stay until its end: there are no cycles to look for among them."""

_standing: list[tuple[int, int, int]] = []


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Let the process look for cycles seldom; when the last of several such blocks ends, as often as before."""
    _standing.append(gc.get_threshold())
    gc.set_threshold(_OBJECTS, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*_standing.pop())
