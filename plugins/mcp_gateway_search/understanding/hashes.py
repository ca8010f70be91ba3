"""Whether strings are in a large set, all at once: a sorted array of hashes, which may err but never misses one."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def hash_of(string: str) -> int:
    """Of 32 bits."""
    return zlib.crc32(string.encode())


def set_of(hashes: array[int]) -> NDArray[np.uint32]:
    """The hashes sorted, each once."""
    return np.unique(np.frombuffer(hashes, np.uint32)) if hashes else np.zeros(0, np.uint32)


def found_in(hashes: NDArray[np.uint32], strings: Sequence[str]) -> list[bool]:
    """Of each string whether it may be in the set; one in twenty thousand that says so is not."""
    if not len(hashes):
        return [False] * len(strings)
    wanted = _hashed(strings)
    places = np.minimum(hashes.searchsorted(wanted), len(hashes) - 1)
    found: list[bool] = (hashes[places] == wanted).tolist()
    return found


def _hashed(strings: Sequence[str]) -> NDArray[np.uint32]:
    return np.fromiter(map(hash_of, strings), np.uint32, len(strings))
