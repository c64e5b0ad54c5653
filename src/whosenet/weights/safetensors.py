"""safetensors: an 8-byte length, a JSON header, one byte buffer. Its own NumPy front end fails on bf16 and fp8."""

from __future__ import annotations

import math
import warnings
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile, WhosenetWarning
from whosenet.weights.base import MAX_NAME, MAX_RANK, Reader, Tensor, check_shape, from_buffer
from whosenet.weights.shards import MAX_JSON, is_index, read_json, read_shards
from whosenet.weights.source import Source

DTYPES: dict[str, Any] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz, "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "F8_E8M0": ml_dtypes.float8_e8m0fnu,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip
LIMIT = 1 << 60
SCALES = "F8_E8M0"
"""Powers of two that scale blocks of other tensors: readable, but nobody's weights."""
PACKED = "F4"
"""Two 4-bit floats (e2m1) to a byte, the first in the low half."""


class Safetensors(Reader):
    """Source: the safetensors format description (huggingface/safetensors, README, "Format").

    Deviations: gaps between tensors are allowed (nothing reads them), overlaps and repeated names are not.
    """

    name = "safetensors"
    suffixes = (".safetensors",)

    def sniff(self, head: bytes, name: str) -> bool:
        return len(head) > 8 and head[8:9] == b"{" or name.endswith(".safetensors") or is_index(head, name, self.name)

    def _read(self, source: Source) -> tuple[list[Tensor], list[Source]]:
        if source.name.lower().endswith(".index.json"):
            return read_shards(source, _tensors)
        return _tensors(source), []


def _tensors(source: Source) -> list[Tensor]:
    length = int.from_bytes(source.view(0, 8), "little")
    if length > min(MAX_JSON, source.size - 8):
        raise MalformedFile(source.name, f"claims a header of {length} bytes in {source.size}; fetch it again")
    header = read_json(source.view(8, length), source.name)
    header.pop("__metadata__", None)
    spans = {name: _span(source, name, entry) for name, entry in header.items()}
    _check_overlap(source, spans)
    made = [_tensor(source, name, header[name], 8 + length + spans[name][0], spans[name]) for name in header]
    tensors = [tensor for tensor in made if tensor is not None]
    if len(tensors) < len(made):
        kinds = sorted({ascii(e["dtype"][:20])[1:-1] for e in header.values() if e["dtype"] not in (*DTYPES, PACKED)})
        why = f"left out {len(made) - len(tensors)} tensors of types read nowhere here: {', '.join(kinds[:5])}"
        warnings.warn(f"{source.name}: {why}", WhosenetWarning, stacklevel=2)
    return tensors


def _span(source: Source, name: str, entry: Any) -> tuple[int, int]:
    """Begin and end in the buffer; MalformedFile unless the entry has a type, a shape of counts and two offsets."""
    fields = entry if isinstance(entry, dict) else {}
    shape, span = fields.get("shape", ()), fields.get("data_offsets", ())
    if _counts(shape, MAX_RANK) and _counts(span, 2) and len(span) == 2 and isinstance(fields.get("dtype"), str):
        return span[0], span[1]
    raise MalformedFile(source.name, f"tensor {name[:80]!r} has no type, shape or byte range; fetch it again")


def _counts(values: Any, most: int) -> bool:
    return isinstance(values, list) and len(values) <= most and all(type(n) is int and 0 <= n < LIMIT for n in values)


def _check_overlap(source: Source, spans: dict[str, tuple[int, int]]) -> None:
    end = 0
    for name, (begin, stop) in sorted(spans.items(), key=lambda item: item[1]):
        if begin < end or stop < begin:
            raise MalformedFile(source.name, f"tensor {name[:80]!r} shares bytes with another; refused")
        end = stop


def _tensor(source: Source, name: str, entry: dict[str, Any], offset: int, span: tuple[int, int]) -> Tensor | None:
    kind, shape = entry["dtype"], check_shape(source.name, name, entry["shape"])
    bits = 4 if kind == PACKED else 8 * np.dtype(DTYPES[kind]).itemsize if kind in DTYPES else 0
    if bits and math.prod(shape) * bits != 8 * (span[1] - span[0]):
        raise MalformedFile(source.name, f"tensor {name[:80]!r}: shape and byte range disagree; fetch it again")
    if kind == PACKED:
        return _packed(source, name, shape, offset)
    if kind not in DTYPES:
        return None
    return from_buffer(source, name, shape, DTYPES[kind], offset, trained=False if kind == SCALES else None)


def _packed(source: Source, name: str, shape: tuple[int, ...], offset: int) -> Tensor:
    """4-bit floats, unpacked as read. A row may begin in the middle of a byte."""
    row = math.prod(shape[1:])
    source.view(offset, math.prod(shape) // 2)

    def load(start: int, stop: int) -> NDArray[Any]:
        first, last = start * row // 2, -(-stop * row // 2)
        block = np.frombuffer(source.view(offset + first, last - first), np.uint8)
        halves = np.stack([block & 15, block >> 4], axis=-1).reshape(-1)
        skip = start * row % 2
        values: NDArray[Any] = halves[skip : skip + (stop - start) * row].view(ml_dtypes.float4_e2m1fn)
        return values.reshape((stop - start, *shape[1:]))

    return Tensor(name[:MAX_NAME], shape or (1,), "float4_e2m1fn", load, bool(shape))
