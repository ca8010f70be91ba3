"""The model as a graph that ONNX Runtime can run, made once from the weights in an installed package.

Run as a program of its own, `graph.py WEIGHTS TARGET`: what it needs of memory, and the libraries that only it needs,
go with it.

The network is BERT with six layers, averaged over the words and brought to length one, as
sentence-transformers/all-MiniLM-L6-v2 is. Weights are kept as 8-bit integers, scaled per channel: a quarter of the
size, nearly twice the speed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

LAYERS = 6
HEADS = 12
WIDTH = 384
HEAD_WIDTH = WIDTH // HEADS
MOST_TOKENS = 256
_EPSILON = 1e-12
_OPSET = 20

Weights = dict[str, NDArray[np.float32]]


def write_graph(weights_path: Path, target: Path) -> None:
    """Write the quantised model. Takes a few seconds.

    Args:
        weights_path: A safetensors file.
        target: Appears whole or not at all.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    model = _Graph(read_safetensors(weights_path)).model()
    with TemporaryDirectory(dir=target.parent) as folder:
        draft = Path(folder) / "model.onnx"
        quantize_dynamic(model, str(draft), per_channel=True, weight_type=QuantType.QInt8)
        draft.replace(target)


def read_safetensors(path: Path) -> Weights:
    """All float tensors of a safetensors file: a header in JSON, then the numbers."""
    content = path.read_bytes()
    header_bytes = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + header_bytes])
    body = memoryview(content)[8 + header_bytes :]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }


class _Graph:
    """Puts the network together, one operation after the other."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        """The whole network: token numbers and which of them count in, a vector for each text out."""
        state = self._embedded()
        unseen = self._unseen()
        for layer in range(LAYERS):
            state = self._layer(state, unseen, f"encoder.layer.{layer}.")
        result = self._averaged(state)
        inputs = [_tensor(name, TensorProto.INT64, ["texts", "tokens"]) for name in ("tokens", "mask")]
        output = _tensor(result, TensorProto.FLOAT, ["texts", WIDTH])
        graph = helper.make_graph(self._nodes, "sentence", inputs, [output], initializer=self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10)
        # There is nothing in it to prepare; without this mark the quantiser warns.
        helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
        return model

    def _embedded(self) -> str:
        words = self._op("Gather", self._weight("embeddings.word_embeddings.weight"), "tokens")
        places = self._weights["embeddings.position_embeddings.weight"][:MOST_TOKENS]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        length = self._op("Slice", self._op("Shape", "tokens"), self._ints(1), self._ints(2))
        placed = self._op("Slice", self._constant(places + kind), self._ints(0), length, self._ints(0))
        return self._normalised(self._op("Add", words, placed), "embeddings.LayerNorm.")

    def _unseen(self) -> str:
        """Added to the attention a token gets: very little of it where the mask is 0."""
        mask = self._op("Cast", self._op("Unsqueeze", "mask", self._ints(1, 2)), to=TensorProto.FLOAT)
        return self._op("Mul", self._op("Sub", self._number(1.0), mask), self._number(-10_000.0))

    def _layer(self, state: str, unseen: str, prefix: str) -> str:
        attended = self._dense(self._attention(state, unseen, prefix), [f"{prefix}attention.output.dense."])
        state = self._normalised(self._op("Add", state, attended), f"{prefix}attention.output.LayerNorm.")
        inner = self._op("Gelu", self._dense(state, [f"{prefix}intermediate.dense."]))
        outer = self._dense(inner, [f"{prefix}output.dense."])
        return self._normalised(self._op("Add", state, outer), f"{prefix}output.LayerNorm.")

    def _attention(self, state: str, unseen: str, prefix: str) -> str:
        names = [f"{prefix}attention.self.{name}." for name in ("query", "key", "value")]
        parts = self._ops("Split", 3, self._dense(state, names), axis=-1, num_outputs=3)
        by_head = self._ints(0, 0, HEADS, HEAD_WIDTH)
        split = [self._op("Reshape", part, by_head) for part in parts]
        query, value = (self._op("Transpose", part, perm=[0, 2, 1, 3]) for part in (split[0], split[2]))
        key = self._op("Transpose", split[1], perm=[0, 2, 3, 1])
        scaled = self._op("Mul", self._op("MatMul", query, key), self._number(HEAD_WIDTH**-0.5))
        shares = self._op("Softmax", self._op("Add", scaled, unseen), axis=-1)
        mixed = self._op("Transpose", self._op("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self._op("Reshape", mixed, self._ints(0, 0, WIDTH))

    def _averaged(self, state: str) -> str:
        mask = self._op("Cast", self._op("Unsqueeze", "mask", self._ints(2)), to=TensorProto.FLOAT)
        total = self._op("ReduceSum", self._op("Mul", state, mask), self._ints(1), keepdims=0)
        mean = self._op("Div", total, self._op("ReduceSum", mask, self._ints(1), keepdims=0))
        return self._op("LpNormalization", mean, axis=-1, p=2)

    def _dense(self, state: str, prefixes: list[str]) -> str:
        weight = np.concatenate([self._weights[f"{prefix}weight"] for prefix in prefixes]).T
        bias = np.concatenate([self._weights[f"{prefix}bias"] for prefix in prefixes])
        return self._op("Add", self._op("MatMul", state, self._constant(weight)), self._constant(bias))

    def _normalised(self, state: str, prefix: str) -> str:
        scale, bias = self._weight(f"{prefix}weight"), self._weight(f"{prefix}bias")
        return self._op("LayerNormalization", state, scale, bias, axis=-1, epsilon=_EPSILON)

    def _op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self._ops(kind, 1, *inputs, **attributes)[0]

    def _ops(self, kind: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        outputs = [f"{kind}_{len(self._nodes)}_{number}" for number in range(count)]
        self._nodes.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **attributes))
        return outputs

    def _weight(self, name: str) -> str:
        return self._constant(self._weights[name])

    def _number(self, value: float) -> str:
        return self._constant(np.array(value, np.float32))

    def _ints(self, *values: int) -> str:
        return self._constant(np.array(values, np.int64))

    def _constant(self, values: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _tensor(name: str, kind: int, shape: list[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


if __name__ == "__main__":
    write_graph(Path(sys.argv[1]), Path(sys.argv[2]))
