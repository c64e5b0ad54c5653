"""What one model shows by itself: how it is stored, what was left out, how far its counters ran."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from whosenet.errors import UnreadableInput
from whosenet.finding.hashing import hash_file, readable, stored
from whosenet.hashes.code import Code
from whosenet.weights import open_weights
from whosenet.weights.base import Tensor

COUNTER = "num_batches_tracked"
VARIANCES = ("running_var", "moving_variance")
"""How PyTorch and Keras call the statistics of a batch norm."""
EXPORTED = ("onnx", "tflite", "gguf")
"""Formats that models are exported to and seldom trained in."""
INTEGERS = ("int", "uint", "q", "iq", "tq", "mxfp")


@dataclass(frozen=True)
class Portrait:
    """One model (or several files with the same bytes)."""

    path: str
    name: str
    """Shown to people; relative to the folder asked about."""
    digest: str
    format: str
    parameters: int
    codes: tuple[Code, ...] = field(repr=False)
    norms: int
    """Batch norms with statistics, by the names of their tensors."""
    steps: int | None
    """Batches a batch norm has counted; None where nothing counts."""
    integers: bool
    """Whether most weights are stored as integers."""
    same: tuple[str, ...] = ()
    """Further names of the same bytes."""


def portrait(path: str, name: str) -> Portrait:
    """Raises UnreadableInput (or MissingExtra) as `hash` does."""
    hashed = hash_file(path, stored())
    with open_weights(path) as weights, readable(path):
        tensors = list(weights.tensors)
        whole = [t for t in tensors if len(t.shape) > 1]
        quantised = sum(t.elements for t in whole if t.dtype.lower().startswith(INTEGERS))
        return Portrait(
            path=path, name=name, digest=hashed.digest, format=hashed.format, parameters=hashed.parameters,
            codes=hashed.codes, norms=sum(t.name.endswith(VARIANCES) for t in tensors), steps=_steps(tensors),
            integers=2 * quantised > sum(t.elements for t in whole),
        )  # fmt: skip


def _steps(tensors: list[Tensor]) -> int | None:
    """The largest counter; a file may hold anything under that name, so only whole numbers in reason count."""
    found = [t for t in tensors if t.name.endswith(COUNTER) and t.elements == 1]
    values = [float(np.asarray(t.read(0, 1)).ravel()[0]) for t in found]
    return max((int(v) for v in values if 0 < v < 2**53), default=None)


def same_code(a: Portrait, b: Portrait) -> float:
    """The smallest log10 p of two codes of one method; 0 if they share none."""
    pairs = [(x, y) for x in a.codes for y in b.codes if x.signature == y.signature]
    return min((x.log10_p(y) for x, y in pairs), default=0.0)


def named(path: str, folder: Path) -> str:
    """Relative to the folder where it lies below it."""
    try:
        return str(Path(path).relative_to(folder))
    except ValueError:
        return path


__all__ = ["EXPORTED", "Portrait", "UnreadableInput", "named", "portrait", "same_code"]
