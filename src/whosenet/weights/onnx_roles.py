"""What the nodes of an ONNX graph say about its constants: which are quantised and how, which are stacked gates."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from whosenet.weights.base import Tensor
from whosenet.weights.onnx_graph import Blob, Graph, Node

PASSED_ON = ("Identity", "DequantizeLinear")


@dataclass(frozen=True)
class Quantised:
    """Scale and zero point of a weight: one, one a position along `axis`, or one a block of `block` positions there."""

    scale: Blob | None
    zero: Blob | None
    axis: int
    block: int = 0


@dataclass
class Roles:
    """By id of the blob (names may repeat)."""

    quantised: dict[int, Quantised] = field(default_factory=dict)
    parameters: set[int] = field(default_factory=set)
    """Scales and zero points: numbers of the quantiser, not of the network."""
    gates: dict[int, Node] = field(default_factory=dict)


INPUTS: dict[str, list[tuple[int, int, int, int]]] = {
    "DequantizeLinear": [(0, 1, 2, 1)],
    "QLinearConv": [(3, 4, 5, 0)],
    "QLinearMatMul": [(0, 1, 2, -2), (3, 4, 5, -1)],
    "QGemm": [(3, 4, 5, -1)],
    "QAttention": [(1, 4, 7, -1)],
    "DynamicQuantizeMatMul": [(1, 2, 3, -1)],
    "MatMulIntegerToFloat": [(1, 3, 5, -1)],
    "ConvInteger": [(1, -1, 3, 0)],
    "MatMulInteger": [(1, -1, 3, -1)],
}
"""Operator -> (input of the weight, of its scale, of its zero point, axis of the scales). -1: the scale comes later."""
ORDERS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""Where PyTorch's gates lie in ONNX's: LSTM i, f, c, o in i, o, f, c; GRU r, z, h in z, r, h."""


def find_roles(roots: list[Graph]) -> Roles:
    roles = Roles()
    for graph in (inner for root in roots for inner in root.walk()):
        users = _users(graph)
        for node in graph.nodes:
            for weight, scale, zero, axis in INPUTS.get(node.op, []):
                _find_quantised(graph, node, roles, users, (weight, scale, zero, axis))
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
    if weight is not None:
        roles.quantised[id(weight)] = Quantised(scale, zero, axis, max(0, node.numbers.get("block_size", 0)))


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
    """W, R [directions, gates x hidden, in] or B [directions, 2 x gates x hidden]: a tensor a direction (and half)."""
    order = ORDERS[node.op]
    halves = 2 if len(tensor.shape) == 2 else 1
    if len(tensor.shape) not in (2, 3) or tensor.shape[0] not in (1, 2) or not tensor.elements:
        return [tensor]
    if tensor.shape[1] % (len(order) * halves):
        return [tensor]
    hidden = tensor.shape[1] // len(order) // halves
    rows = np.concatenate([np.arange(gate * hidden, (gate + 1) * hidden) for gate in order])
    found = []
    for direction, side in enumerate(["", ".reverse"][: tensor.shape[0]]):
        for half in range(halves):
            name = tensor.name + side + (".recurrent" if half else "")
            found.append(_part(tensor, name, direction, rows + half * len(rows)))
    return found


def _part(tensor: Tensor, name: str, direction: int, rows: NDArray[np.int64]) -> Tensor:
    shape = (len(rows), *tensor.shape[2:])
    return Tensor(
        name,
        shape,
        tensor.dtype,
        lambda start, stop: tensor.load(direction, direction + 1)[0][rows[start:stop]],
        tensor.trained,
    )
