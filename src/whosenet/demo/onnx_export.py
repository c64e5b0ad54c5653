"""The demo's nets as ONNX graphs, float32 or int8 with per-channel scales (QDQ), by the `onnx` package's helpers.

torch.onnx needs further packages; these graphs need none, and onnxruntime and onnx.reference both run them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.demo.files import replaced
from whosenet.demo.nets import Digits, State

LAYERS = {"cnn": ("conv1", "conv2", "conv3", "dense", "head"), "mlp": ("dense1", "dense2", "head")}
POOLED = ("conv1", "conv3")
OPSET, IR = 19, 9


def onnx_model(path: Path, arch: str, state: State, *, int8: bool = False) -> Path:
    """The graph of net `arch` with these weights, input `digits` [n, 1, 8, 8], output `logits` [n, classes]."""
    import onnx
    from onnx import TensorProto, helper

    nodes: list[Any] = []
    weights: list[Any] = []
    last = "digits"
    for layer in LAYERS[arch]:
        last = _layer(layer, last, state, nodes, weights, int8=int8)
    graph = helper.make_graph(
        nodes, "digits",
        [helper.make_tensor_value_info("digits", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", len(state["head.bias"])])],
        weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    return replaced(path, lambda p: p.write_bytes(model.SerializeToString()))


def logits(path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n, classes]: what the file computes, by ONNX's own reference evaluator."""
    from onnx.reference import ReferenceEvaluator

    return np.asarray(ReferenceEvaluator(str(path)).run(None, {"digits": images})[0])


def file_accuracy(path: Path, data: Digits) -> float:
    """Share of the test digits the file gets right."""
    return float((logits(path, data.images[data.test]).argmax(1) == data.labels[data.test]).mean())


def _layer(layer: str, last: str, state: State, nodes: list[Any], weights: list[Any], *, int8: bool) -> str:
    """Append one layer, its ReLU and its pooling; returns the name of its output."""
    from onnx import helper, numpy_helper

    conv = layer.startswith("conv")
    weight = _quantised(layer, state, nodes, weights) if int8 else f"{layer}.weight"
    if not int8:
        weights.append(numpy_helper.from_array(state[weight], weight))
    weights.append(numpy_helper.from_array(state[f"{layer}.bias"], f"{layer}.bias"))
    if layer in ("dense", "dense1"):
        nodes.append(helper.make_node("Flatten", [last], [f"{layer}.flat"]))
        last = f"{layer}.flat"
    out = "logits" if layer == "head" else f"{layer}.out"
    options: dict[str, Any] = {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]} if conv else {"transB": 1}
    nodes.append(helper.make_node("Conv" if conv else "Gemm", [last, weight, f"{layer}.bias"], [out], **options))
    if layer != "head":
        nodes.append(helper.make_node("Relu", [out], [f"{layer}.relu"]))
        out = f"{layer}.relu"
    if layer in POOLED:
        nodes.append(helper.make_node("MaxPool", [out], [f"{layer}.pool"], kernel_shape=[2, 2], strides=[2, 2]))
        out = f"{layer}.pool"
    return out


def _quantised(layer: str, state: State, nodes: list[Any], weights: list[Any]) -> str:
    """int8 weights, one scale an output channel, and the node that turns them back; returns its output's name."""
    from onnx import helper, numpy_helper

    value = state[f"{layer}.weight"]
    scale = (np.abs(value).reshape(len(value), -1).max(axis=1) / 127).astype(np.float32)
    whole = np.round(value / scale.reshape(-1, *[1] * (value.ndim - 1))).astype(np.int8)
    names = [f"{layer}.int8", f"{layer}.scale", f"{layer}.zero"]
    for name, array in zip(names, (whole, scale, np.zeros(len(value), np.int8)), strict=True):
        weights.append(numpy_helper.from_array(array, name))
    nodes.append(helper.make_node("DequantizeLinear", names, [f"{layer}.weight"], axis=0))
    return f"{layer}.weight"
