"""Weights of the contrib operator MatMulNBits: blocks of 2, 4 or 8 bit numbers along the input, packed into bytes.

Source: onnxruntime/docs/ContribOperators.md, com.microsoft.MatMulNBits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.weights.base import MAX_NAME, Tensor
from whosenet.weights.quantised import Flat

BITS = (2, 4, 8)


@dataclass(frozen=True)
class Packing:
    """The attributes of the node: N rows (outputs), K columns (inputs), bits a number and numbers a block."""

    rows: int
    columns: int
    bits: int
    block: int

    @property
    def blocks(self) -> int:
        """Blocks of one row."""
        return -(-self.columns // self.block)

    @property
    def blob(self) -> int:
        """Bytes of one block."""
        return -(-self.block * self.bits // 8)

    @property
    def zeros(self) -> int:
        """Bytes of one row's zero points."""
        return -(-self.blocks * self.bits // 8)

    def fits(self, stored: int, scales: int) -> bool:
        """Whether so many bytes and scales make up the weight."""
        sane = self.bits in BITS and self.block > 0 and self.rows > 0 and self.columns > 0
        return sane and stored == self.rows * self.blocks * self.blob and scales == self.rows * self.blocks


def packed_tensor(name: str, packing: Packing, stored: Flat, scale: Flat, zero: Flat | None) -> Tensor:
    """The weight [N, K] as float32: (q - zero point) * scale, the zero point 2^(bits - 1) where none is stored."""
    per_row = packing.blocks * packing.blob

    def load(start: int, stop: int) -> NDArray[Any]:
        count = stop - start
        q = unpack(stored(start * per_row, stop * per_row).view(np.uint8), packing.bits)
        values = q.reshape(count, packing.blocks, -1)[:, :, : packing.block].astype(np.float32)
        values -= _zeros(packing, zero, start, stop)
        scales = scale(start * packing.blocks, stop * packing.blocks).astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            values *= scales.reshape(count, packing.blocks, 1)
        return values.reshape(count, packing.blocks * packing.block)[:, : packing.columns]

    return Tensor(name[:MAX_NAME], (packing.rows, packing.columns), f"int{packing.bits}", load)


def _zeros(packing: Packing, zero: Flat | None, start: int, stop: int) -> NDArray[np.float32]:
    """Zero points [rows, blocks, 1] (or one for all), stored packed like the numbers."""
    if zero is None:
        return np.full((1, 1, 1), 1 << (packing.bits - 1), np.float32)
    stored = zero(start * packing.zeros, stop * packing.zeros).view(np.uint8)
    rows = unpack(stored, packing.bits).reshape(stop - start, packing.zeros * (8 // packing.bits))
    return rows[:, : packing.blocks, None].astype(np.float32)


def unpack(stored: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Bytes as 8 / bits times as many numbers, the lowest bits first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    numbers: NDArray[np.uint8] = (stored[:, None] >> shifts) & np.uint8((1 << bits) - 1)
    return numbers.reshape(math.prod(numbers.shape))
