"""The sentence model that comes with the extra `semantic`: all-MiniLM-L6-v2, run by ONNX Runtime.

The installed package carries weights only. The graph made of them is kept in the data folder, so that the second start
takes a quarter of a second.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from . import MODEL_PACKAGE

_MOST_TOKENS = 256
# Texts of like length are put through together.
_BATCH = 16


async def open_minilm(folder: Path) -> MiniLm:
    """The model; a quarter of a second, and the first time some seconds more.

    Args:
        folder: Where its graph is kept.

    Raises:
        subprocess.CalledProcessError: The graph could not be made.
    """
    graph, package = folder / f"{MiniLm.name}.onnx", _model_folder()
    if not graph.exists():
        program, weights = Path(__file__).with_name("graph.py"), package / "model.safetensors"
        await anyio.run_process([sys.executable, str(program), str(weights), str(graph)], stderr=None)
    return await anyio.to_thread.run_sync(MiniLm, graph, package / "tokenizer.json")


class MiniLm:
    """The model, with one thread of its own: searches go on beside it."""

    name = "all-minilm-l6-v2"
    width = 384

    def __init__(self, graph: Path, tokenizer: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(_MOST_TOKENS)
        self._tokenizer.no_padding()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A vector of length one for each text."""
        tokens = [encoded.ids for encoded in self._tokenizer.encode_batch(list(texts))]
        by_length = sorted(range(len(tokens)), key=lambda place: len(tokens[place]))
        vectors = np.empty((len(tokens), self.width), np.float32)
        for first in range(0, len(by_length), _BATCH):
            places = by_length[first : first + _BATCH]
            vectors[places] = self._run([tokens[place] for place in places])
        return vectors

    def _run(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        shape = (len(tokens), max(map(len, tokens)))
        padded, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, numbers in enumerate(tokens):
            padded[row, : len(numbers)] = numbers
            mask[row, : len(numbers)] = 1
        (vectors,) = self._session.run(None, {"tokens": padded, "mask": mask})
        return np.asarray(vectors, np.float32)


def _model_folder() -> Path:
    spec = find_spec(MODEL_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(MODEL_PACKAGE)
    return Path(spec.submodule_search_locations[0]) / "model"
