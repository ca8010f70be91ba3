"""Whether strings are in a large set, all at once: a sorted array of hashes, which may err but never misses one."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def hashes_of(strings: Iterable[str]) -> NDArray[np.uint32]:
    """The set of their hashes."""
    return np.unique(_hashed(list(strings)))


def found_in(hashes: NDArray[np.uint32], strings: Sequence[str]) -> list[bool]:
    """Of each string whether it may be in the set; one in twenty thousand that says so is not."""
    if not len(hashes):
        return [False] * len(strings)
    wanted = _hashed(strings)
    places = np.minimum(hashes.searchsorted(wanted), len(hashes) - 1)
    found: list[bool] = (hashes[places] == wanted).tolist()
    return found


def _hashed(strings: Sequence[str]) -> NDArray[np.uint32]:
    return np.fromiter((zlib.crc32(string.encode()) for string in strings), np.uint32, len(strings))
