"""What turns texts into vectors, and what is told of a title for it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mcp_gateway.catalog.models import Title

HASH_BYTES = 16
# The model reads 256 pieces of words; more text would only cost time.
_MOST_CHARS = 2000


class Embedder(Protocol):
    """Turns texts into vectors that lie the closer together the more alike the texts are in meaning.

    Attributes:
        name: Of the model, fit for a folder's name. Vectors of different names are never compared.
        width: Numbers in a vector.
    """

    name: str
    width: int

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A vector of length one for each text, as rows. Blocks: 10 ms a text."""
        ...


def text_of(title: Title) -> str | None:
    """What is embedded of a title; None when nothing tells what happens in it.

    It begins as people begin who ask for a film whose name they forgot: "2002 horror movie about …". That finds
    twice as many of them as the overview alone.
    """
    if not title.overview:
        return None
    about = f" about {', '.join(title.keywords)}" if title.keywords else ""
    kind = "movie" if title.kind == "movie" else "series"
    parts = (str(title.year or ""), *title.genres[:3], f"{kind}{about}.", title.overview)
    return " ".join(part for part in parts if part)[:_MOST_CHARS]


def hash_of(text: str) -> bytes:
    """By which a text's vector is found again."""
    return blake2b(text.encode(), digest_size=HASH_BYTES).digest()
