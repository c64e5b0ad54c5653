"""A tensor as rows and columns of hidden units, with taps in between, whatever its storage order and scales.

Re-ordering hidden units permutes rows or columns; moving scale through ReLU or batch norm, folding batch norm and
turning signs multiply them. `balanced` undoes all scales, so that only orders and signs remain to be found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from whosenet.hashes.canonical import CENTRED_FROM, Shape, canonical
from whosenet.structure.traits import MAX_TAPS, traits
from whosenet.weights.base import Tensor

Array = NDArray[np.float32]

MAX_ELEMENTS = 1 << 26
"""Larger tensors are not looked at for re-ordered units (256 MB as float32)."""
MAX_UNITS = 6_144
"""Longer axes are not matched: a table of similarities of that many units would fill the memory."""
ROUNDS = 12
WIDEST = 3
"""Largest ratio of the widths of layers that are compared."""


@dataclass(frozen=True)
class View:
    """`array` [rows, columns, taps]: float32, every row and every column of mean square one (or zero)."""

    array: Array

    @cached_property
    def sizes(self) -> Array:
        return np.abs(self.array)

    @cached_property
    def traits(self) -> Array:
        """What tells rows apart, see whosenet.structure.traits."""
        return traits(self.array)

    @cached_property
    def norm(self) -> float:
        return float(np.linalg.norm(self.array))

    @cached_property
    def profile(self) -> Array:
        """The mean product of every two taps, [taps, taps] (its diagonal where taps are many): blind to units."""
        flat = self.array.reshape(-1, self.array.shape[2])
        return flat.T @ flat if flat.shape[1] <= MAX_TAPS else np.mean(flat * flat, axis=0)


def unit_axes(shape: Shape) -> int:
    """How many of the leading canonical axes hold units: two, or one where the second is as short as taps."""
    return 2 if len(shape) > 1 and shape[1] >= CENTRED_FROM else 1


def comparable(a: Shape, b: Shape) -> bool:
    """Whether b may be a with other widths: equal taps, widths within a factor."""
    units = unit_axes(a)
    if units != unit_axes(b) or a[units:] != b[units:] or a == b:
        return False
    pairs = zip(sorted(a[:units]), sorted(b[:units]), strict=True)
    return all(max(x, y) <= WIDEST * min(x, y) for x, y in pairs)


def readable(tensor: Tensor) -> bool:
    """Whether a tensor is small enough to be searched for re-ordered units."""
    shape = canonical(tensor.shape).shape
    return tensor.elements <= MAX_ELEMENTS and max(shape[: unit_axes(shape)], default=0) <= MAX_UNITS


def numbers(tensor: Tensor) -> Array:
    """All numbers, float32, canonical axis order; non-finite ones become zero."""
    layout = canonical(tensor.shape)
    whole = tensor.read().reshape(layout.squeezed).transpose(layout.order)
    return np.nan_to_num(np.ascontiguousarray(whole), nan=0.0, posinf=0.0, neginf=0.0)


def blocks(x: Array) -> Array:
    """[rows, columns, taps] of an array in canonical axis order; one column where only the rows hold units."""
    first, units = x.shape[0], unit_axes(x.shape)
    return x.reshape(first, x.shape[1] if units == 2 else 1, -1)


def balanced(x: Array) -> Array:
    """Rows and columns scaled to mean square one, alternately: free of any scale that units may have been given."""
    energy = np.einsum("nmt,nmt->nm", x, x, dtype=np.float64) / max(x.shape[2], 1)
    if x.shape[1] == 1:
        return np.asarray(x / _root(energy)[:, :, None], dtype=np.float32)
    row, column = np.ones((x.shape[0], 1)), np.ones((1, x.shape[1]))
    for _ in range(ROUNDS):
        row = 1 / _root(np.mean(energy * column**2, axis=1, keepdims=True))
        column = 1 / _root(np.mean(energy * row**2, axis=0, keepdims=True))
    return np.asarray(x * (row * column)[:, :, None], dtype=np.float32)


def _root(square: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(square > 0, np.sqrt(square), math.inf)
