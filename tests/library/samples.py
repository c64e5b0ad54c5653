"""Made-up models for the library's tests."""

from __future__ import annotations

import numpy as np

from whosenet.hashes.code import Code
from whosenet.library import Entry

SIGNATURE = "nts/1(bits=64)"


def make_entry(
    number: int, data: bytes | None = None, *, signature: str = SIGNATURE, version: int = 0, **details: object
) -> Entry:
    """Model `number`, whose file has been rewritten `version` times; 64 random bits unless `data` is given."""
    code = data or np.random.default_rng([number, version]).bytes(8)
    values = {
        "bytes": 100 + number,
        "mtime_ns": 10**18 + version,
        "format": "safetensors",
        "tensors": 3,
        "parameters": 9,
    }
    digest = f"{number:032x}{version:032x}"
    return Entry(f"/models/m{number}/w.bin", digest, **{**values, **details}, codes=(Code(signature, code, 500.5),))  # type: ignore[arg-type]
