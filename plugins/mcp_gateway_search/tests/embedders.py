"""An embedder that needs no model: texts are alike that have words in common."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray


class Words:
    """A vector has a number for each word, by the word's hash.

    Attributes:
        embedded: All texts so far.
        fails_after: So many texts, then it fails, as a process that is killed does.
    """

    name = "words"
    width = 64

    def __init__(self, fails_after: int | None = None) -> None:
        self.embedded: list[str] = []
        self.fails_after = fails_after

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A vector of length one for each text."""
        vectors = np.zeros((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            if self.fails_after is not None and len(self.embedded) >= self.fails_after:
                raise RuntimeError("killed")
            self.embedded.append(text)
            for word in text.lower().replace(".", " ").split():
                vectors[row, blake2b(word.encode()).digest()[0] % self.width] += 1
        unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return unit
