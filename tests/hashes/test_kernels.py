"""The block sums straight from narrow types equal those of the same numbers as float32."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from whosenet.hashes.kernels import add_rows

EIGHT_BITS = [ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2fnuz]


def _sums(rows: np.ndarray) -> np.ndarray:
    sums = np.zeros((3, rows.shape[1]), np.float32)
    where, sign = np.arange(len(rows)) * 3 // len(rows), np.resize(np.float32([1, -1, -1]), len(rows))
    add_rows(rows, where, sign, sums)
    return sums


def test_every_float16_is_widened_exactly() -> None:
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    np.testing.assert_array_equal(_sums(every[None]), _sums(every.astype(np.float32)[None]))


@pytest.mark.parametrize("dtype", [np.float16, np.int8, *EIGHT_BITS])
def test_sums_are_those_of_the_same_numbers_as_float32(dtype: type) -> None:
    rows = np.random.default_rng(0).normal(size=(29, 300)).astype(dtype)
    np.testing.assert_array_equal(_sums(rows), _sums(rows.astype(np.float32)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e5m2])
def test_a_number_that_is_none_makes_its_sum_none(dtype: type, bad: float) -> None:
    rows = np.ones((9, 40), dtype)
    rows[4, 7] = bad
    assert np.argwhere(~np.isfinite(_sums(rows))).tolist() == [[1, 7]]
