"""One tensor pair alone: the order of its units is found whatever the storage, scale and sign."""

from __future__ import annotations

import nets
import numpy as np
import pytest

from whosenet.structure.alone import match
from whosenet.structure.matched import Seen, best
from whosenet.structure.view import View, balanced, blocks

SHAPES = [(48, 32, 9), (96, 40, 1), (64, 1, 27), (16, 16, 9), (24, 80, 1)]


def scrambled(x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    rows, columns = draw.permutation(x.shape[0]), draw.permutation(x.shape[1])
    scale = draw.uniform(0.3, 3, (x.shape[0], 1, 1)) * draw.uniform(0.3, 3, (1, x.shape[1], 1))
    sign = draw.choice([-1, 1], (x.shape[0], 1, 1)) * draw.choice([-1, 1], (1, x.shape[1], 1))
    return (x * scale * sign)[rows][:, columns].astype(np.float32), rows, columns


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_rows_columns_and_signs_are_found(shape: tuple[int, ...], noise: float) -> None:
    draw = np.random.default_rng(4)
    x = draw.standard_normal(shape).astype(np.float32)
    y, rows, columns = scrambled(x + noise * draw.standard_normal(shape).astype(np.float32), 5)
    found = match(View(balanced(x)), View(balanced(y)))
    assert found.similarity > 0.99
    assert np.array_equal(rows[found.rows], np.arange(shape[0]))
    assert np.array_equal(columns[found.columns], np.arange(shape[1]))


@pytest.mark.parametrize("shape", SHAPES)
def test_strangers_are_not_alike(shape: tuple[int, ...]) -> None:
    draw = np.random.default_rng(6)
    x, y = (balanced(draw.standard_normal(shape).astype(np.float32)) for _ in range(2))
    assert match(View(x), View(y)).similarity < 0.6


def test_scale_is_undone() -> None:
    x = np.random.default_rng(7).standard_normal((20, 10, 3)).astype(np.float32)
    y, _, _ = scrambled(x, 8)
    for array in (balanced(x), balanced(y)):
        assert np.allclose(np.mean(array**2, axis=(1, 2)), 1, atol=0.02)
        assert np.allclose(np.mean(array**2, axis=(0, 2)), 1, atol=0.02)
    assert not balanced(np.zeros((4, 4, 1), np.float32)).any()


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_flattened_axis_is_matched_by_channels(channels_last: bool) -> None:
    draw = np.random.default_rng(9)
    x = draw.standard_normal((40, 24, 6)).astype(np.float32)
    y, rows, columns = scrambled(x, 10)
    stored = y.transpose(0, 2, 1) if channels_last else y
    a, b = nets.tensor(x.reshape(40, -1)), nets.tensor(np.ascontiguousarray(stored).reshape(40, -1))
    found = best(Seen(a), Seen(b), 0, [12, 24])
    assert found.matching.similarity > 0.999 and len(found.matching.columns) == 24
    assert np.array_equal(columns[found.matching.columns], np.arange(24))
    assert np.array_equal(rows[found.matching.rows], np.arange(40))


def test_short_second_axes_are_taps() -> None:
    assert blocks(np.zeros((64, 3, 3, 3), np.float32)).shape == (64, 1, 27)
    assert blocks(np.zeros((64, 8, 3), np.float32)).shape == (64, 8, 3)
