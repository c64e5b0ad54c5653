"""safetensors: an 8-byte length, a JSON header, one byte buffer. Parsed here, since its NumPy front end fails on bf16 and fp8."""

from __future__ import annotations

import json
import struct
from typing import Any

import ml_dtypes
import numpy as np

from whosenet.errors import MalformedFile
from whosenet.weights.base import Reader, Tensor, from_buffer
from whosenet.weights.source import Source

MAX_HEADER = 100_000_000
DTYPES: dict[str, Any] = {
    "F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
    "I64": np.int64, "I32": np.int32, "I16": np.int16, "I8": np.int8,
    "U64": np.uint64, "U32": np.uint32, "U16": np.uint16, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip


class Safetensors(Reader):
    """Source: the safetensors format description (huggingface/safetensors, README, "Format")."""

    name = "safetensors"
    suffixes = (".safetensors",)

    def sniff(self, head: bytes, name: str) -> bool:
        return len(head) > 8 and head[8:9] == b"{" or name.endswith(".safetensors")

    def _read(self, source: Source) -> tuple[list[Tensor], list[Source]]:
        (length,) = struct.unpack("<Q", source.view(0, 8))
        if length > min(MAX_HEADER, source.size - 8):
            raise MalformedFile(source.name, f"claims a header of {length} bytes in a file of {source.size}; fetch it again")
        header = json.loads(bytes(source.view(8, length)))
        tensors = []
        for name, entry in header.items():
            if name == "__metadata__" or entry["dtype"] not in DTYPES:
                continue
            begin, end = entry["data_offsets"]
            tensor = from_buffer(source, name, entry["shape"], DTYPES[entry["dtype"]], 8 + length + begin)
            if tensor.elements * np.dtype(DTYPES[entry["dtype"]]).itemsize != end - begin:
                raise MalformedFile(source.name, f"tensor {name[:80]!r}: shape and byte range disagree; fetch it again")
            tensors.append(tensor)
        return tensors, []
