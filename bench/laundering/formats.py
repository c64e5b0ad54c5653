"""CNNs as ONNX and Keras files, node by node from the torch.fx graph: what a thief's export leaves of the names and axes.

Only what the population's nets are made of; anything else is an error.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from whosenet.attacks.wiring import traced


def nodes(net: nn.Module, example: torch.Tensor) -> list[tuple[str, str, list[str], Any]]:
    """(operation, name, inputs, layer or arguments) in the order they run; operations by one name each."""
    out = []
    for n in traced(net).nodes:
        inputs = [a.name for a in n.all_input_nodes]
        if n.op == "call_module":
            layer = net.get_submodule(n.target)
            out.append((type(layer).__name__, n.name, inputs, layer))
        elif n.op in ("call_function", "call_method"):
            out.append((n.target if isinstance(n.target, str) else n.target.__name__, n.name, inputs, None))
        elif n.op == "output":
            out.append(("output", n.name, inputs, None))
        else:
            out.append((n.op, n.name, inputs, None))
    return out


RENAME = {"ReLU": "relu", "ReLU6": "relu6", "add": "add", "mean": "gap", "GlobalMean": "gap", "Identity": "keep",
          "Gone": "keep", "Cut": "keep", "Flatten": "flatten", "relu_": "relu", "cat": "cat", "flatten": "flatten"}  # fmt: skip


def _array(t: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(t.detach().numpy())


def to_onnx(net: nn.Module, example: torch.Tensor, path: Path) -> Path:
    """float32 [n, c, h, w] in; initialisers are named by their place, as exporters that lose names do."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    made: list[Any] = []
    weights: list[Any] = []

    def hold(t: torch.Tensor) -> str:
        name = f"onnx::{len(weights)}"
        weights.append(numpy_helper.from_array(_array(t), name))
        return name

    last = ""
    for kind, name, inputs, layer in nodes(net, example):
        kind = RENAME.get(kind, kind)
        if kind == "output":
            last = inputs[0]
        elif isinstance(layer, nn.Conv2d):
            p, args = (
                layer.padding,
                [inputs[0], hold(layer.weight)] + ([hold(layer.bias)] if layer.bias is not None else []),
            )
            made.append(
                helper.make_node(
                    "Conv", args, [name], pads=[p[0], p[1], p[0], p[1]], strides=list(layer.stride), group=layer.groups
                )
            )
        elif isinstance(layer, nn.Linear):
            made.append(helper.make_node("Gemm", [inputs[0], hold(layer.weight), hold(layer.bias)], [name], transB=1))
        elif isinstance(layer, nn.BatchNorm2d):
            held = [hold(t) for t in (layer.weight, layer.bias, layer.running_mean, layer.running_var)]
            made.append(helper.make_node("BatchNormalization", [inputs[0], *held], [name], epsilon=layer.eps))
        elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
            what = "MaxPool" if isinstance(layer, nn.MaxPool2d) else "AveragePool"
            made.append(
                helper.make_node(what, inputs, [name], kernel_shape=[layer.kernel_size] * 2, strides=[layer.stride] * 2)
            )
        elif kind == "relu6":
            made.append(helper.make_node("Clip", [inputs[0], hold(torch.tensor(0.0)), hold(torch.tensor(6.0))], [name]))
        elif kind == "gap":
            made.append(helper.make_node("ReduceMean", [inputs[0], hold(torch.tensor([2, 3]))], [name], keepdims=0))
        elif kind in ("relu", "add", "flatten", "cat", "keep", "placeholder"):
            onnx_name = {"relu": "Relu", "add": "Add", "flatten": "Flatten", "cat": "Concat", "keep": "Identity"}.get(
                kind
            )
            if onnx_name:
                made.append(
                    helper.make_node(onnx_name, inputs, [name], **({"axis": 1} if kind in ("cat", "flatten") else {}))
                )
        else:
            raise ValueError(f"no ONNX for {kind}")
    first = next(name for kind, name, _, _ in nodes(net, example) if kind == "placeholder")
    shape = ["n", *example.shape[1:]]
    graph = helper.make_graph(made, "net", [helper.make_tensor_value_info(first, TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info(last, TensorProto.FLOAT, ["n", None])], weights)  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def onnx_answers(path: Path, x: torch.Tensor) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: _array(x)})[0])


def to_keras(net: nn.Module, example: torch.Tensor, path: Path) -> Path:
    """float32 [n, h, w, c] in, kernels HWIO, matrices [in, out]; a matrix behind a flattening has its rows as HWC has them."""
    import os

    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras
    from keras import layers as L

    values: dict[str, Any] = {}
    flat: dict[str, tuple[int, int, int]] = {}
    set_later: list[tuple[Any, list[np.ndarray]]] = []
    for kind, name, inputs, layer in nodes(net, example):
        kind = RENAME.get(kind, kind)
        x = [values[i] for i in inputs]
        if kind == "placeholder":
            first = values[name] = keras.Input((example.shape[2], example.shape[3], example.shape[1]))
        elif kind == "output":
            model = keras.Model(first, x[0])
        elif isinstance(layer, nn.Conv2d):
            p = layer.padding[0]
            y = L.ZeroPadding2D(p)(x[0]) if p else x[0]
            deep = layer.groups > 1
            common = {"kernel_size": layer.kernel_size, "strides": layer.stride, "use_bias": layer.bias is not None}
            made = L.DepthwiseConv2D(**common) if deep else L.Conv2D(layer.out_channels, **common)
            values[name] = made(y)
            kernel = _array(layer.weight.permute(2, 3, 0, 1) if deep else layer.weight.permute(2, 3, 1, 0))
            set_later.append((made, [kernel] + ([_array(layer.bias)] if layer.bias is not None else [])))
        elif isinstance(layer, nn.Linear):
            made = L.Dense(layer.out_features)
            values[name] = made(x[0])
            matrix = layer.weight
            if inputs[0] in flat:
                h, w, c = flat[inputs[0]]
                matrix = matrix.reshape(-1, c, h, w).permute(0, 2, 3, 1).reshape(len(matrix), -1)
            set_later.append((made, [_array(matrix.T), _array(layer.bias)]))
        elif isinstance(layer, nn.BatchNorm2d):
            made = L.BatchNormalization(epsilon=layer.eps)
            values[name] = made(x[0])
            set_later.append(
                (made, [_array(t) for t in (layer.weight, layer.bias, layer.running_mean, layer.running_var)])
            )
        elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
            pool = L.MaxPooling2D if isinstance(layer, nn.MaxPool2d) else L.AveragePooling2D
            values[name] = pool(layer.kernel_size, layer.stride)(x[0])
        elif kind == "flatten":
            flat[name] = tuple(x[0].shape[1:])
            values[name] = L.Flatten()(x[0])
        elif kind in ("relu", "relu6", "gap", "add", "cat", "keep"):
            values[name] = {"relu": lambda v: L.ReLU()(v[0]), "relu6": lambda v: L.ReLU(6.0)(v[0]),
                            "gap": lambda v: L.GlobalAveragePooling2D()(v[0]), "add": L.Add(), "cat": L.Concatenate(),
                            "keep": lambda v: v[0]}[kind](x)  # fmt: skip
            if kind == "keep" and inputs[0] in flat:
                flat[name] = flat[inputs[0]]
        else:
            raise ValueError(f"no Keras for {kind}")
        if kind in ("relu", "keep") and inputs and inputs[0] in flat:
            flat[name] = flat[inputs[0]]
    for made, arrays in set_later:
        made.set_weights(arrays)
    model.save(path)
    return path


def keras_answers(path: Path, x: torch.Tensor) -> np.ndarray:
    import keras

    return np.asarray(keras.models.load_model(path).predict(_array(x.permute(0, 2, 3, 1)), verbose=0))
