"""ONNX models, read in place: no onnx package, no runtime, the weights stay in the file until they are asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile
from whosenet.weights.base import Reader, Tensor, check_shape
from whosenet.weights.onnx_graph import Blob, Graph, read_model
from whosenet.weights.onnx_nbits import packed_tensor
from whosenet.weights.onnx_roles import Packed, Roles, find_roles, split_gates
from whosenet.weights.protobuf import BYTES, PackedVarints, Wire
from whosenet.weights.quantised import NIBBLES, Affine, Flat, Numbers, Parameter, as_tensor
from whosenet.weights.source import Source

DTYPES: dict[int, tuple[str, Any]] = {
    1: ("float32", np.float32), 2: ("uint8", np.uint8), 3: ("int8", np.int8), 4: ("uint16", np.uint16),
    5: ("int16", np.int16), 6: ("int32", np.int32), 7: ("int64", np.int64), 9: ("bool", np.bool_),
    10: ("float16", np.float16), 11: ("float64", np.float64), 12: ("uint32", np.uint32), 13: ("uint64", np.uint64),
    16: ("bfloat16", ml_dtypes.bfloat16), 17: ("float8_e4m3fn", ml_dtypes.float8_e4m3fn),
    18: ("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz), 19: ("float8_e5m2", ml_dtypes.float8_e5m2),
    20: ("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz), 21: ("uint4", ml_dtypes.uint4), 22: ("int4", ml_dtypes.int4),
    23: ("float4_e2m1fn", ml_dtypes.float4_e2m1fn),
}  # fmt: skip
"""TensorProto.DataType; strings and complex numbers are no weights."""
FIXED: dict[int, np.dtype[Any]] = {4: np.dtype(np.float32), 10: np.dtype(np.float64)}
"""The fields whose entries have a fixed width: float_data and double_data."""
MAX_SCALES = 1 << 28
SECOND_TAGS = bytes([0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42])


class Onnx(Reader):
    """Source: onnx/onnx.proto and docs/Operators.md (DequantizeLinear, QLinearConv, LSTM ...).

    Integer weights come out de-quantised where their scale is a constant. LSTM and GRU weights come out one tensor a
    direction, with their gates in the order of PyTorch (LSTM i, f, c, o; GRU r, z, h) instead of ONNX's.
    """

    name = "onnx"
    suffixes = (".onnx",)

    def sniff(self, head: bytes, name: str) -> bool:
        """An ONNX file has no magic: it begins with ir_version (field 1), then some other field of ModelProto."""
        starts = len(head) > 2 and head[0] == 0x08 and 0 < head[1] < 64 and head[2] in SECOND_TAGS
        return starts or name.endswith(".onnx")

    def _read(self, source: Source) -> tuple[list[Tensor], list[Source]]:
        roots = read_model(Wire(source))
        files = Files(source)
        roles = find_roles(roots)
        tensors = list(_tensors(files, roots, roles))
        return tensors, list(files.opened.values())


class Files:
    """The model file and those of its external data, each opened once."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.opened: dict[str, Source] = {}

    def sibling(self, location: str) -> Source:
        if location not in self.opened:
            self.opened[location] = self.source.sibling(location)
        return self.opened[location]


def _tensors(files: Files, roots: list[Graph], roles: Roles) -> Iterator[Tensor]:
    """Every constant of every graph, named apart where two graphs use one name."""
    names: set[str] = set()
    for graph in (inner for root in roots for inner in root.walk()):
        for blob in graph.blobs.values():
            if blob.kind not in DTYPES:
                continue
            while blob.name in names:
                blob.name += "'"
            names.add(blob.name)
            tensor = _tensor(files, blob, roles)
            yield from split_gates(tensor, roles.gates[id(blob)]) if id(blob) in roles.gates else [tensor]


def _tensor(files: Files, blob: Blob, roles: Roles) -> Tensor:
    dims = check_shape(files.source.name, blob.name, blob.dims)
    label = DTYPES[blob.kind][0]
    role = roles.packed.get(id(blob))
    if role is not None and label == "uint8":
        packed = _packed(files, blob, role)
        if packed is not None:
            return packed
    trained = False if id(blob) in roles.parameters else None
    return as_tensor(blob.name, dims, label, flat(files, blob), _affine(files, blob, roles), trained)


def _packed(files: Files, blob: Blob, role: Packed) -> Tensor | None:
    """The weight of a MatMulNBits, or None where its parts do not fit together."""
    packing, scale, zero = role.packing, role.scale, role.zero
    sizes = [math.prod(check_shape(files.source.name, part.name, part.dims)) for part in (blob, scale)]
    if not packing.fits(*sizes) or scale.kind not in DTYPES:
        return None
    zeros = None
    if zero is not None and zero.kind == 2 and math.prod(zero.dims) == packing.rows * packing.zeros:
        zeros = flat(files, zero)
    return packed_tensor(blob.name, packing, flat(files, blob), flat(files, scale), zeros)


def _affine(files: Files, blob: Blob, roles: Roles) -> Affine | None:
    """How a quantised weight is de-quantised; scales that do not fit its shape are left out."""
    role = roles.quantised.get(id(blob))
    if role is None or not DTYPES[blob.kind][0].startswith(("int", "uint", "float8", "float4")) or not blob.dims:
        return None
    axis = role.axis % len(blob.dims)
    scale, zero = (_parameter(files, part, blob, axis, role.block) for part in (role.scale, role.zero))
    return Affine(scale or (lambda: np.ones(1, np.float32)), zero, axis, role.block)


def _parameter(files: Files, part: Blob | None, weight: Blob, axis: int, block: int) -> Parameter | None:
    if part is None or part.kind not in DTYPES:
        return None
    count = math.prod(check_shape(files.source.name, part.name, part.dims))
    blocked = [-(-d // block) if block and i == axis else d for i, d in enumerate(weight.dims)]
    fits = part.dims == blocked if block and count > 1 else count in (1, weight.dims[axis])
    if not fits or count > MAX_SCALES:
        return None
    read = flat(files, part)
    return lambda: read(0, count).reshape(part.dims)


def flat(files: Files, blob: Blob) -> Flat:
    """The numbers of a tensor by position, wherever they are stored. MalformedFile if they are not all there."""
    kind, count = np.dtype(DTYPES[blob.kind][1]), math.prod(blob.dims)
    if blob.is_external:
        return _external(files, blob, kind, count)
    if blob.raw is not None:
        numbers = Numbers(files.source, blob.raw.start, kind, count)
        if numbers.bytes > blob.raw.stop - blob.raw.start:
            raise _short(files, blob)
        return numbers.read
    if not blob.typed:
        if count:
            raise _short(files, blob)
        return lambda first, last: np.zeros(0, kind)
    return _typed(files, blob, kind, count)


def _external(files: Files, blob: Blob, kind: np.dtype[Any], count: int) -> Flat:
    location = blob.external.get("location", "")
    offset, length = (blob.external.get(key, "") for key in ("offset", "length"))
    if not re.fullmatch(r"[0-9]{0,20}", offset) or not re.fullmatch(r"[0-9]{0,20}", length):
        raise MalformedFile(files.source.name, f"tensor {blob.name[:80]!r} has no readable offset; export it again")
    numbers = Numbers(files.sibling(location), int(offset or 0), kind, count)
    if length and numbers.bytes > int(length):
        raise _short(files, blob)
    return numbers.read


def _typed(files: Files, blob: Blob, kind: np.dtype[Any], count: int) -> Flat:
    """float_data and its like: a packed list is read in place, numbers stored one by one are gathered now."""
    first, source = blob.typed[0], files.source
    fixed = FIXED.get(first.number)
    alone = len(blob.typed) == 1 and first.wire == BYTES
    if fixed is not None:
        if sum(part.stop - part.start for part in blob.typed) < count * fixed.itemsize or kind != fixed:
            raise _short(files, blob)
        if alone:
            return Numbers(source, first.start, fixed, count).read
        whole = np.concatenate([np.frombuffer(source.view(p.start, p.stop - p.start), fixed) for p in blob.typed])
        return lambda a, b: whole[a:b]
    if alone:
        return _from_integers(PackedVarints(source, first.start, first.stop).read, kind)
    wire = Wire(source)
    values = np.array([value for part in blob.typed for value in wire.varints(part, 1 << 20)], np.int64)
    if len(values) < (-(-count // 2) if kind in NIBBLES else count):
        raise _short(files, blob)
    return _from_integers(lambda a, b: values[a:b], kind)


def _from_integers(read: Flat, kind: np.dtype[Any]) -> Flat:
    """int32_data holds small floats as their bits, and 4-bit numbers two to an entry."""
    if kind in NIBBLES:
        return lambda a, b: _halves(read(a // 2, -(-b // 2)), kind)[a % 2 : a % 2 + b - a]
    if kind.kind in "iub":
        return lambda a, b: read(a, b).astype(kind)
    bits = np.dtype(f"u{kind.itemsize}")
    return lambda a, b: read(a, b).astype(bits).view(kind)


def _halves(entries: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    return Numbers.halves(entries.astype(np.uint8), kind)


def _short(files: Files, blob: Blob) -> MalformedFile:
    return MalformedFile(
        files.source.name, f"tensor {blob.name[:80]!r} holds fewer numbers than its shape; fetch it again"
    )
