"""The one hot loop of hashing: add signed rows into block sums, straight from the stored type.

Imported late, since numba takes half a second. float32 arithmetic; a non-finite weight makes its sum non-finite.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
from numba import njit
from numpy.typing import NDArray

Rows = NDArray[Any]


def add_rows(rows: Rows, where: NDArray[np.int64], sign: NDArray[np.float32], sums: NDArray[np.float32]) -> None:
    """sums[where[i]] += sign[i] * rows[i] for every row; rows of any real dtype, [n, m]; sums float32 [blocks, m]."""
    if rows.dtype == ml_dtypes.bfloat16:
        bits = np.empty(rows.shape[1], np.uint32)
        _add_bfloat16(rows.view(np.uint16), where, sign, sums, bits, bits.view(np.float32))
    elif rows.dtype == np.float32 and rows.dtype.isnative:
        _add_float32(rows, where, sign, sums)
    else:
        _add_float32(rows.astype(np.float32), where, sign, sums)


@njit(cache=True, nogil=True)
def _add_float32(rows: Rows, where: Any, sign: Any, sums: Any) -> None:
    for i in range(rows.shape[0]):
        block, s = where[i], sign[i]
        for j in range(rows.shape[1]):
            sums[block, j] += s * rows[i, j]


@njit(cache=True, nogil=True)
def _add_bfloat16(rows: Rows, where: Any, sign: Any, sums: Any, bits: Any, floats: Any) -> None:
    for i in range(rows.shape[0]):
        block, s = where[i], sign[i]
        for j in range(rows.shape[1]):
            bits[j] = np.uint32(rows[i, j]) << np.uint32(16)
        for j in range(rows.shape[1]):
            sums[block, j] += s * floats[j]
