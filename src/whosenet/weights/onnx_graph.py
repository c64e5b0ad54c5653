"""An ONNX model as the walker needs it: graphs, their nodes and where the numbers of each tensor lie.

Source: onnx/onnx.proto (IR version 13). Field numbers are given by name; everything else is skipped unread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from whosenet.errors import MalformedFile
from whosenet.weights.base import MAX_NAME, MAX_RANK
from whosenet.weights.protobuf import BYTES, VARINT, Field, Wire, signed

MAX_DEPTH = 24
MAX_PIECES = 1 << 17
"""Entries of one tensor that is stored number by number instead of in one piece."""
MODEL_GRAPH, MODEL_FUNCTION = 7, 25
NODE_INPUT, NODE_OUTPUT, NODE_OP, NODE_ATTRIBUTE = 1, 2, 4, 5
ATTRIBUTE_NAME, ATTRIBUTE_INT, ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 1, 3, 5, 6, 11
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL, TENSOR_LOCATION = 1, 2, 8, 9, 13, 14
TENSOR_TYPED = (4, 5, 7, 10, 11)
"""float_data, int32_data, int64_data, double_data, uint64_data."""


@dataclass
class Blob:
    """One TensorProto: its type by number, and its numbers by place."""

    name: str = ""
    dims: list[int] = field(default_factory=list)
    kind: int = 0
    raw: Field | None = None
    typed: list[Field] = field(default_factory=list)
    external: dict[str, str] = field(default_factory=dict)
    is_external: bool = False


@dataclass
class Node:
    op: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    """The integer attributes by name."""


@dataclass
class Graph:
    """A graph, subgraph or function body, with the graph around it for names from outside."""

    outer: Graph | None = None
    blobs: dict[str, Blob] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    inner: list[Graph] = field(default_factory=list)
    makers: dict[str, Node] = field(default_factory=dict)

    def walk(self) -> Iterator[Graph]:
        """This graph and all inside it."""
        yield self
        for graph in self.inner:
            yield from graph.walk()

    def blob(self, name: str, through: tuple[str, ...] = ("Identity",), hops: int = 16) -> Blob | None:
        """The constant that `name` stands for, here or outside, seen through nodes that only pass it on."""
        graph: Graph | None = self
        while graph is not None and name and hops:
            maker = graph.makers.get(name)
            if name in graph.blobs:
                return graph.blobs[name]
            if maker is None:
                graph = graph.outer
            elif maker.op in through and maker.inputs:
                name, hops = maker.inputs[0], hops - 1
            else:
                return None
        return None


def read_model(wire: Wire) -> list[Graph]:
    """The main graph and the function bodies of the model in `wire`; training_info is not looked at."""
    graphs = []
    for part in wire.fields(0, wire.source.size):
        if part.number in (MODEL_GRAPH, MODEL_FUNCTION) and part.wire == BYTES:
            graphs.append(read_graph(wire, part, None, 0, function=part.number == MODEL_FUNCTION))
    if not graphs:
        raise MalformedFile(wire.source.name, "holds no ONNX graph; fetch it again, or export the model again")
    return graphs


def read_graph(wire: Wire, where: Field, outer: Graph | None, depth: int, *, function: bool = False) -> Graph:
    """GraphProto keeps nodes in field 1 and initializers in 5, FunctionProto nodes in 7."""
    if depth > MAX_DEPTH:
        raise MalformedFile(wire.source.name, f"nests graphs over {MAX_DEPTH} deep; refused")
    graph = Graph(outer)
    for part in wire.fields(where.start, where.stop):
        if part.wire != BYTES:
            continue
        if part.number == (7 if function else 1):
            _read_node(wire, part, graph, depth)
        elif part.number == 5 and not function:
            _keep(graph, read_blob(wire, part))
    return graph


def _keep(graph: Graph, blob: Blob) -> None:
    """Under its name; a second blob of that name (invalid ONNX) under one that nothing refers to."""
    graph.blobs[blob.name if blob.name not in graph.blobs else f"{blob.name}#{len(graph.blobs)}"] = blob


def _read_node(wire: Wire, where: Field, graph: Graph, depth: int) -> None:
    node, value = Node(), None
    for part in wire.fields(where.start, where.stop):
        if part.wire != BYTES:
            continue
        if part.number == NODE_INPUT:
            node.inputs.append(wire.text(part, MAX_NAME))
        elif part.number == NODE_OUTPUT:
            node.outputs.append(wire.text(part, MAX_NAME))
        elif part.number == NODE_OP:
            node.op = wire.text(part, 64)
        elif part.number == NODE_ATTRIBUTE:
            value = _read_attribute(wire, part, node, graph, depth) or value
    if node.op == "Constant" and value is not None and node.outputs:
        value.name = node.outputs[0]
        _keep(graph, value)
        return
    graph.nodes.append(node)
    graph.makers.update({name: node for name in node.outputs if name})


def _read_attribute(wire: Wire, where: Field, node: Node, graph: Graph, depth: int) -> Blob | None:
    """Keeps an integer in the node and subgraphs in the graph; gives the tensor of a `value`."""
    name, number, blob = "", None, None
    for part in wire.fields(where.start, where.stop):
        if part.number == ATTRIBUTE_NAME and part.wire == BYTES:
            name = wire.text(part, 64)
        elif part.number == ATTRIBUTE_INT and part.wire == VARINT:
            number = signed(part.value)
        elif part.number == ATTRIBUTE_TENSOR and part.wire == BYTES:
            blob = read_blob(wire, part)
        elif part.number in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS) and part.wire == BYTES:
            graph.inner.append(read_graph(wire, part, graph, depth + 1))
    if number is not None:
        node.numbers[name] = number
    return blob


def read_blob(wire: Wire, where: Field) -> Blob:
    """One TensorProto; of its numbers only the place is kept."""
    blob = Blob()
    for part in wire.fields(where.start, where.stop):
        if part.number == TENSOR_DIMS:
            blob.dims += wire.varints(part, MAX_RANK)
        elif part.number == TENSOR_TYPE and part.wire == VARINT:
            blob.kind = part.value
        elif part.number == TENSOR_LOCATION and part.wire == VARINT:
            blob.is_external = part.value == 1
        elif part.number in TENSOR_TYPED:
            blob.typed.append(part)
        elif part.wire == BYTES and part.number == TENSOR_NAME:
            blob.name = wire.text(part, MAX_NAME)
        elif part.wire == BYTES and part.number == TENSOR_RAW:
            blob.raw = part
        elif part.wire == BYTES and part.number == TENSOR_EXTERNAL:
            blob.external.update([_read_entry(wire, part)])
        if len(blob.dims) > MAX_RANK or len(blob.typed) > MAX_PIECES or len(blob.external) > 16:
            raise MalformedFile(wire.source.name, f"tensor {blob.name[:80]!r} is stored in an impossible way; refused")
    return blob


def _read_entry(wire: Wire, where: Field) -> tuple[str, str]:
    """StringStringEntryProto: key and value."""
    found = {
        part.number: wire.text(part, MAX_NAME) for part in wire.fields(where.start, where.stop) if part.wire == BYTES
    }
    return found.get(1, ""), found.get(2, "")
