"""The one hot loop of hashing: add signed rows into block sums, straight from the stored type.

Imported late, since numba takes half a second. float32 arithmetic; a non-finite weight makes its sum non-finite.
Four rows of a block are added at a time, so that the sums are loaded and stored once for four rows.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

Rows = NDArray[Any]


def add_rows(rows: Rows, where: NDArray[np.int64], sign: NDArray[np.float32], sums: NDArray[np.float32]) -> None:
    """sums[where[i]] += sign[i] * rows[i] for every row; rows of any real dtype, [n, m]; sums float32 [blocks, m]."""
    if rows.dtype == ml_dtypes.bfloat16:
        _add_bfloat16(rows.view(np.uint16), where, sign, sums)
    elif rows.dtype == np.float16 and rows.dtype.isnative:
        _add_float16(rows.view(np.uint16), where, sign, sums)
    elif rows.dtype.itemsize == 1 and rows.dtype.kind not in "iub":
        _add_coded(rows.view(np.uint8), _values(rows.dtype), where, sign, sums)
    elif rows.dtype == np.float32 and rows.dtype.isnative:
        _add_float32(rows, where, sign, sums)
    else:
        _add_float32(rows.astype(np.float32), where, sign, sums)


@cache
def _values(dtype: np.dtype[Any]) -> NDArray[np.float32]:
    """What the 256 codes of an 8-bit float stand for."""
    return np.arange(256, dtype=np.uint8).view(dtype).astype(np.float32)


@intrinsic
def _as_float32(_context: Any, _bits: Any) -> Any:
    """Reinterpret a uint32 as float32: one register, no memory."""

    def generate(_ctx: Any, builder: Any, _signature: Any, args: Any) -> Any:
        from llvmlite import ir

        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.uint32), generate


@njit(cache=True, nogil=True)
def _add_float32(rows: Rows, where: Any, sign: Any, sums: Any) -> None:
    i, n = 0, rows.shape[0]
    while i < n:
        b = where[i]
        if i + 4 <= n and where[i + 3] == b and where[i + 1] == b and where[i + 2] == b:
            s0, s1, s2, s3 = sign[i], sign[i + 1], sign[i + 2], sign[i + 3]
            for j in range(rows.shape[1]):
                sums[b, j] += s0 * rows[i, j] + s1 * rows[i + 1, j] + s2 * rows[i + 2, j] + s3 * rows[i + 3, j]
            i += 4
        else:
            s0 = sign[i]
            for j in range(rows.shape[1]):
                sums[b, j] += s0 * rows[i, j]
            i += 1


@njit(nogil=True, inline="always")
def _wide(bits: Any) -> Any:
    return _as_float32(np.uint32(np.uint32(bits) << np.uint32(16)))


@njit(cache=True, nogil=True)
def _add_bfloat16(rows: Rows, where: Any, sign: Any, sums: Any) -> None:
    i, n = 0, rows.shape[0]
    while i < n:
        b = where[i]
        if i + 4 <= n and where[i + 3] == b and where[i + 1] == b and where[i + 2] == b:
            s0, s1, s2, s3 = sign[i], sign[i + 1], sign[i + 2], sign[i + 3]
            for j in range(rows.shape[1]):
                low = s0 * _wide(rows[i, j]) + s1 * _wide(rows[i + 1, j])
                sums[b, j] += low + (s2 * _wide(rows[i + 2, j]) + s3 * _wide(rows[i + 3, j]))
            i += 4
        else:
            s0 = sign[i]
            for j in range(rows.shape[1]):
                sums[b, j] += s0 * _wide(rows[i, j])
            i += 1


@njit(nogil=True, inline="always")
def _wider(bits: Any) -> Any:
    """float16 to float32: exponent and fraction moved into place, times 2^112 for the other exponent bias."""
    size = np.uint32(bits) & np.uint32(0x7FFF)
    value = _as_float32(np.uint32(size << np.uint32(13))) * np.float32(2.0**112)
    if size >= np.uint32(0x7C00):
        value = _as_float32(np.uint32((size << np.uint32(13)) | np.uint32(0x7F800000)))
    return -value if bits & np.uint16(0x8000) else value


@njit(cache=True, nogil=True)
def _add_float16(rows: Rows, where: Any, sign: Any, sums: Any) -> None:
    i, n = 0, rows.shape[0]
    while i < n:
        b = where[i]
        if i + 4 <= n and where[i + 3] == b and where[i + 1] == b and where[i + 2] == b:
            s0, s1, s2, s3 = sign[i], sign[i + 1], sign[i + 2], sign[i + 3]
            for j in range(rows.shape[1]):
                low = s0 * _wider(rows[i, j]) + s1 * _wider(rows[i + 1, j])
                sums[b, j] += low + s2 * _wider(rows[i + 2, j]) + s3 * _wider(rows[i + 3, j])
            i += 4
        else:
            s0 = sign[i]
            for j in range(rows.shape[1]):
                sums[b, j] += s0 * _wider(rows[i, j])
            i += 1


@njit(cache=True, nogil=True)
def _add_coded(rows: Rows, values: Any, where: Any, sign: Any, sums: Any) -> None:
    """As _add_float32 for values[rows]."""
    i, n = 0, rows.shape[0]
    while i < n:
        b = where[i]
        if i + 4 <= n and where[i + 3] == b and where[i + 1] == b and where[i + 2] == b:
            s0, s1, s2, s3 = sign[i], sign[i + 1], sign[i + 2], sign[i + 3]
            for j in range(rows.shape[1]):
                low = s0 * values[rows[i, j]] + s1 * values[rows[i + 1, j]]
                sums[b, j] += low + s2 * values[rows[i + 2, j]] + s3 * values[rows[i + 3, j]]
            i += 4
        else:
            s0 = sign[i]
            for j in range(rows.shape[1]):
                sums[b, j] += s0 * values[rows[i, j]]
            i += 1
