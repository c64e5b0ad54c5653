"""What the nodes of an ONNX graph say about its constants: which are quantised and how, which are stacked gates."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.weights.base import Tensor
from whosenet.weights.onnx_graph import Blob, Graph, Node
from whosenet.weights.onnx_nbits import Packing

PASSED_ON = ("Identity", "DequantizeLinear")


@dataclass(frozen=True)
class Quantised:
    """Scale and zero point of a weight: one, one a position along `axis`, or one a block of `block` positions there."""

    scale: Blob | None
    zero: Blob | None
    axis: int
    block: int = 0


@dataclass(frozen=True)
class Packed:
    packing: Packing
    scale: Blob
    zero: Blob | None


@dataclass
class Roles:
    """By id of the blob (names may repeat)."""

    quantised: dict[int, Quantised] = field(default_factory=dict)
    parameters: set[int] = field(default_factory=set)
    """Scales and zero points: numbers of the quantiser, not of the network."""
    gates: dict[int, Node] = field(default_factory=dict)
    packed: dict[int, Packed] = field(default_factory=dict)
    """Weights of MatMulNBits, whose stored shape is that of their packing."""


INPUTS: dict[str, list[tuple[int, int, int, int]]] = {
    "DequantizeLinear": [(0, 1, 2, 1)],
    "QLinearConv": [(3, 4, 5, 0)],
    "QLinearMatMul": [(0, 1, 2, -2), (3, 4, 5, -1)],
    "QGemm": [(3, 4, 5, -1)],
    "QAttention": [(1, 4, 7, -1)],
    "DynamicQuantizeMatMul": [(1, 2, 3, -1)],
    "MatMulIntegerToFloat": [(1, 3, 5, -1)],
    "DynamicQuantizeLSTM": [(1, 8, 9, -1), (2, 10, 11, -1)],
    "ConvInteger": [(1, -1, 3, 0)],
    "MatMulInteger": [(1, -1, 3, -1)],
}
"""Operator -> (input of the weight, of its scale, of its zero point, axis of the scales). -1: the scale comes later."""
ORDERS = {"LSTM": (0, 2, 3, 1), "DynamicQuantizeLSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""Where PyTorch's gates lie in ONNX's: LSTM i, f, c, o in i, o, f, c; GRU r, z, h in z, r, h."""
NBITS = {"N": 0, "K": 0, "bits": 4, "block_size": 0}
"""Attributes of MatMulNBits and what stands for them when they are missing."""


def find_roles(roots: list[Graph]) -> Roles:
    roles = Roles()
    for graph in (inner for root in roots for inner in root.walk()):
        users = _users(graph)
        for node in graph.nodes:
            for weight, scale, zero, axis in INPUTS.get(node.op, []):
                _find_quantised(graph, node, roles, users, (weight, scale, zero, axis))
            if node.op == "MatMulNBits":
                _find_packed(graph, node, roles)
            if node.op in ORDERS:
                for blob in (graph.blob(name, PASSED_ON) for name in node.inputs[1:4]):
                    if blob is not None:
                        roles.gates[id(blob)] = node
    return roles


def _find_quantised(graph: Graph, node: Node, roles: Roles, users: dict[str, list[Node]],
                    places: tuple[int, int, int, int]) -> None:  # fmt: skip
    weight, scale, zero = (graph.blob(node.inputs[i]) if -1 < i < len(node.inputs) else None for i in places[:3])
    axis = node.numbers.get("axis", places[3])
    if node.op == "QGemm" and node.numbers.get("transB"):
        axis = 0
    if places[1] < 0 and node.outputs:
        scale = _later_scale(graph, users, node.outputs[0])
    roles.parameters.update(id(blob) for blob in (scale, zero) if blob is not None)
    if node.op == "DynamicQuantizeLSTM" and scale is not None and math.prod(scale.dims) <= 2:
        axis = 0
    if weight is not None:
        roles.quantised[id(weight)] = Quantised(scale, zero, axis, max(0, node.numbers.get("block_size", 0)))


def _find_packed(graph: Graph, node: Node, roles: Roles) -> None:
    names = [*node.inputs, "", "", "", ""][:4]
    weight, scale, zero = (graph.blob(name) for name in names[1:])
    packing = Packing(*(node.numbers.get(key, given) for key, given in NBITS.items()))
    roles.parameters.update(id(blob) for blob in (scale, zero) if blob is not None)
    if weight is not None and scale is not None:
        roles.packed[id(weight)] = Packed(packing, scale, zero)


def _users(graph: Graph) -> dict[str, list[Node]]:
    users: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            users.setdefault(name, []).append(node)
    return users


def _later_scale(graph: Graph, users: dict[str, list[Node]], output: str) -> Blob | None:
    """The weight's scale behind an integer product: product -> Cast -> Mul(Mul(activation scale, weight scale))."""
    for node in [user for first in users.get(output, [])[:4] for user in [first, *_after(users, first)]]:
        if node.op != "Mul":
            continue
        for name in node.inputs:
            maker = graph.makers.get(name)
            constants = [graph.blob(n) for n in (maker.inputs if maker is not None and maker.op == "Mul" else [name])]
            found = [blob for blob in constants if blob is not None]
            if found:
                return found[0]
    return None


def _after(users: dict[str, list[Node]], node: Node) -> list[Node]:
    return users.get(node.outputs[0], [])[:4] if node.op == "Cast" and node.outputs else []


def split_gates(tensor: Tensor, node: Node) -> list[Tensor]:
    """W, R [directions, gates x hidden, in] or B [directions, 2 x gates x hidden]: a tensor a direction (and half).

    DynamicQuantizeLSTM stores W and R as [directions, in, gates x hidden].
    """
    order = ORDERS[node.op]
    halves = 2 if len(tensor.shape) == 2 else 1
    axis = 2 if node.op == "DynamicQuantizeLSTM" and halves == 1 else 1
    if len(tensor.shape) not in (2, 3) or tensor.shape[0] not in (1, 2) or not tensor.elements:
        return [tensor]
    if tensor.shape[axis] % (len(order) * halves):
        return [tensor]
    hidden = tensor.shape[axis] // len(order) // halves
    places = np.concatenate([np.arange(gate * hidden, (gate + 1) * hidden) for gate in order])
    found = []
    for direction, side in enumerate(["", ".reverse"][: tensor.shape[0]]):
        for half in range(halves):
            name = tensor.name + side + (".recurrent" if half else "")
            part = _columns if axis == 2 else _rows
            found.append(part(tensor, name, direction, places + half * len(places)))
    return found


def _rows(tensor: Tensor, name: str, direction: int, places: NDArray[np.int64]) -> Tensor:
    def load(start: int, stop: int) -> NDArray[Any]:
        return np.asarray(tensor.load(direction, direction + 1)[0][places[start:stop]])

    return Tensor(name, (len(places), *tensor.shape[2:]), tensor.dtype, load, tensor.trained)


def _columns(tensor: Tensor, name: str, direction: int, places: NDArray[np.int64]) -> Tensor:
    def load(start: int, stop: int) -> NDArray[Any]:
        return np.asarray(tensor.load(direction, direction + 1)[0][start:stop, places])

    return Tensor(name, (tensor.shape[1], len(places)), tensor.dtype, load, tensor.trained)
