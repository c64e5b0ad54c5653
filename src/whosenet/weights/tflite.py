"""TFLite models: the constant tensors of a flatbuffer, de-quantised as the interpreter does."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np

from whosenet.errors import MalformedFile
from whosenet.weights.base import MAX_NAME, MAX_RANK, MAX_TENSORS, Reader, Tensor, check_shape
from whosenet.weights.quantised import Affine, Numbers, Parameter, as_tensor
from whosenet.weights.source import Source

if TYPE_CHECKING:
    import tflite

IDENTIFIER = b"TFL3"
MAX_GRAPH = 1 << 31
"""Bytes a flatbuffer can address; weights beyond lie outside it, at the offsets that its buffers give."""
DTYPES: dict[int, tuple[str, Any]] = {
    0: ("float32", np.float32), 1: ("float16", np.float16), 2: ("int32", np.int32), 3: ("uint8", np.uint8),
    4: ("int64", np.int64), 7: ("int16", np.int16), 9: ("int8", np.int8), 10: ("float64", np.float64),
    15: ("uint32", np.uint32), 16: ("uint16", np.uint16), 17: ("int4", ml_dtypes.int4),
    18: ("bfloat16", ml_dtypes.bfloat16),
}  # fmt: skip
"""TensorType of the schema; strings, booleans, complex numbers and resources are no weights."""


class Tflite(Reader):
    """Source: tensorflow/compiler/mlir/lite/schema/schema.fbs, version 3; LiteRT's 8-bit quantization specification."""

    name = "tflite"
    suffixes = (".tflite", ".lite")
    extra = "tflite"

    def sniff(self, head: bytes, name: str) -> bool:
        return head[4:8] == IDENTIFIER or name.endswith(self.suffixes)

    def _read(self, source: Source) -> tuple[list[Tensor], list[Source]]:
        import tflite

        if bytes(source.view(0, min(8, source.size)))[4:] != IDENTIFIER:
            raise MalformedFile(source.name, "is no TFLite model of schema version 3; fetch it again")
        flat = source.view(0, min(source.size, MAX_GRAPH))
        try:
            model = tflite.Model.GetRootAs(flat, 0)
            return list(_constants(source, model)), []
        except (struct.error, UnicodeDecodeError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise MalformedFile(
                source.name, f"is a damaged TFLite model ({str(error)[:80]}); fetch it again"
            ) from error


def _constants(source: Source, model: tflite.Model) -> Iterator[Tensor]:
    """Every tensor with a buffer, of every subgraph; a buffer that several tensors share comes out once."""
    seen: set[tuple[int, int, tuple[int, ...]]] = set()
    buffers = model.BuffersLength()
    for graph in map(model.Subgraphs, range(_count(source, model.SubgraphsLength()))):
        for tensor in map(graph.Tensors, range(_count(source, graph.TensorsLength()))):
            rank = 0 if tensor.ShapeIsNone() else tensor.ShapeLength()
            if tensor.Type() not in DTYPES or not 0 < tensor.Buffer() < buffers or not 0 < rank <= MAX_RANK:
                continue
            dims = tuple(tensor.Shape(i) for i in range(rank))
            key = (tensor.Buffer(), tensor.Type(), dims)
            start, length = _extent(source, model.Buffers(tensor.Buffer()))
            if length and key not in seen and tensor.Sparsity() is None:
                seen.add(key)
                yield _tensor(source, tensor, dims, start, length)


def _count(source: Source, claimed: int) -> int:
    """A vector's length; each element takes 4 bytes at least."""
    if claimed > min(MAX_TENSORS, source.size // 4):
        raise MalformedFile(source.name, f"claims {claimed} tensors or graphs; refused")
    return claimed


def _extent(source: Source, buffer: tflite.Buffer) -> tuple[int, int]:
    """Where a buffer's bytes lie: in the flatbuffer, or behind it."""
    if buffer.Offset() > 1:
        start, length = buffer.Offset(), buffer.Size()
    elif buffer.DataIsNone():
        return 0, 0
    else:
        start, length = _vector(buffer, 4), buffer.DataLength()
    if start < 0 or start + length > source.size:
        raise MalformedFile(source.name, "has a buffer past its end; fetch it again")
    return start, length


def _vector(table: Any, slot: int) -> int:
    """Position of the first element of the vector in a table's slot."""
    return int(table._tab.Vector(table._tab.Offset(slot)))


def _tensor(source: Source, tensor: tflite.Tensor, dims: tuple[int, ...], start: int, length: int) -> Tensor:
    name = (tensor.Name() or b"").decode("utf-8", "replace")[:MAX_NAME]
    label, kind = DTYPES[tensor.Type()]
    dims = check_shape(source.name, name, dims)
    numbers = Numbers(source, start, kind, math.prod(dims))
    if numbers.bytes > length:
        raise MalformedFile(source.name, f"tensor {name[:80]!r} is larger than its buffer; fetch it again")
    affine = _affine(source, tensor, dims) if label.startswith(("int", "uint")) else None
    return as_tensor(name, dims, label, numbers.read, affine)


def _affine(source: Source, tensor: tflite.Tensor, dims: tuple[int, ...]) -> Affine | None:
    """Scale and zero point, one or one a channel; None where the tensor is a plain integer table."""
    how = tensor.Quantization()
    count = 0 if how is None else how.ScaleLength()
    if count == 0 or tensor.Type() not in (2, 3, 7, 9, 17):
        return None
    axis = how.QuantizedDimension()
    if count > 1 and (not 0 <= axis < len(dims) or dims[axis] != count):
        raise MalformedFile(source.name, f"has {count} scales for a tensor of shape {list(dims)}; fetch it again")
    zeros = how.ZeroPointLength()
    scale = _numbers(source, how, 8, count, np.float32)
    zero = _numbers(source, how, 10, zeros, np.int64) if zeros in (1, count) else None
    return Affine(scale, zero, axis if count > 1 else 0)


def _numbers(source: Source, table: Any, slot: int, count: int, kind: Any) -> Parameter:
    numbers = Numbers(source, _vector(table, slot), kind, count)
    return lambda: numbers.read(0, count)
