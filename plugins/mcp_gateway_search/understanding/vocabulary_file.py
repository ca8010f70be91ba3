"""Arrays in one file that is mapped into memory: opening reads nothing, and processes share what they read.

The file is a line of JSON that says where each array lies, then the arrays.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

_ALIGNED = 64
_HEADER_BYTES = 1 << 14
_MAGIC = "media-gateway vocabulary 1"


def write(path: Path, groups: Mapping[str, Mapping[str, Array]]) -> None:
    """Write the arrays, all or nothing."""
    places: dict[str, dict[str, tuple[str, int, int]]] = {}
    offset = _HEADER_BYTES
    for group, arrays in groups.items():
        for name, array in arrays.items():
            places.setdefault(group, {})[name] = (array.dtype.str, offset, len(array))
            offset += -(-array.nbytes // _ALIGNED) * _ALIGNED
    header = json.dumps({"magic": _MAGIC, "bytes": offset, "arrays": places}).encode()
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(header.ljust(_HEADER_BYTES))
        for group, arrays in groups.items():
            for name, array in arrays.items():
                file.seek(places[group][name][1])
                file.write(array.data)
        file.truncate(offset)
    draft.replace(path)


def read(path: Path) -> dict[str, dict[str, Array]]:
    """Map the arrays of a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no such file, or not whole.
    """
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    header = json.loads(mapped[:_HEADER_BYTES])
    if not isinstance(header, dict) or header.get("magic") != _MAGIC or header.get("bytes") != len(mapped):
        raise ValueError("not a whole vocabulary file")
    return {
        group: {
            name: np.frombuffer(mapped, dtype=np.dtype(kind), count=count, offset=offset)
            for name, (kind, offset, count) in arrays.items()
        }
        for group, arrays in header["arrays"].items()
    }
