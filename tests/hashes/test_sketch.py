"""The linear sketch: linear, bounded, and blind to how a tensor is stored or read."""

from __future__ import annotations

import math
import subprocess
import sys

import ml_dtypes
import nets
import numpy as np
import pytest

from whosenet.hashes import sketch as module
from whosenet.hashes.sketch import grid, sketch
from whosenet.weights import base
from whosenet.weights.base import Tensor

SHAPES = [(40, 30), (64, 48, 3, 3), (300, 2), (2, 3000), (5000, 3), (1, 40, 1, 30), (7, 6, 5, 4, 3), (2,) * 8, (9, 1),
          (3, 3, 64, 48), (20_000, 2), (1, 1), (1, 1, 1, 2, 2)]  # fmt: skip


def _random(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cap", [64, 4096])
def test_linear_and_capped(shape: tuple[int, ...], cap: int) -> None:
    if max(shape) == 1:
        pytest.skip("no axis longer than one")
    a, b = _random(shape, 1), _random(shape, 2)
    one, two, both = (sketch(nets.tensor(x), cap) for x in (a, b, a + b))
    np.testing.assert_allclose(both, one + two, atol=1e-4 * np.abs(both).max())
    np.testing.assert_allclose(sketch(nets.tensor(-3 * a), cap), -3 * one, atol=1e-4 * np.abs(one).max())
    assert one.size <= cap and one.dtype == np.float64


@pytest.mark.parametrize("shape", [(40, 30), (16, 8, 3, 3)])
def test_small_tensors_are_kept_whole(shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(sketch(nets.tensor(_random(shape)), 4096), _random(shape))


@pytest.mark.parametrize("shape", [(64, 48, 3, 3), (300, 200), (2, 3000), (30, 5, 7, 11)])
def test_slow_and_obvious(shape: tuple[int, ...]) -> None:
    """Against summing signed numbers into their blocks one axis after another."""
    x, cap = _random(shape), 500
    out = np.transpose(x, order := sorted(range(x.ndim), key=lambda a: -shape[a])).astype(np.float64)
    blocks = grid(tuple(shape[a] for a in order), cap)
    for k, (length, count) in enumerate(zip(out.shape, blocks, strict=True)):
        where, sign = module.axis(length, count)
        summed = np.zeros((*out.shape[:k], count, *out.shape[k + 1 :]))
        for i in range(length):
            summed[(slice(None),) * k + (where[i],)] += sign[i] * out[(slice(None),) * k + (i,)]
        out = summed
    np.testing.assert_allclose(sketch(nets.tensor(x), cap), out, atol=1e-4)


def test_inner_products_survive() -> None:
    a, b = _random((512, 700), 1), _random((512, 700), 2)
    near = a + 0.5 * b
    one, other, two = (sketch(nets.tensor(x), 4096).ravel() for x in (a, b, near))
    assert np.corrcoef(one, two)[0, 1] == pytest.approx(1 / math.sqrt(1.25), abs=0.02)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.06


@pytest.mark.parametrize("shape", [(64, 48, 3, 3), (2, 3000), (700, 300)])
def test_neither_chunks_nor_stripes_matter(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    x = _random(shape)
    truth = sketch(nets.tensor(x), 600)
    for elements, stripe in [(1, 1 << 22), (100, 1 << 22), (1 << 20, 700), (333, 1500)]:
        monkeypatch.setattr(Tensor, "chunks", _chunks(elements))
        monkeypatch.setattr(module, "STRIPE", stripe)
        np.testing.assert_allclose(sketch(nets.tensor(x), 600), truth, atol=1e-3)


def _chunks(elements: int):  # type: ignore[no-untyped-def]
    original = base.Tensor.chunks
    return lambda self, _=None: original(self, elements)


@pytest.mark.parametrize("shape", [(64, 48, 3, 3), (90, 70), (128, 128), (24, 24, 5)])
def test_a_transposed_tensor_has_the_transposed_sketch(shape: tuple[int, ...]) -> None:
    x = _random(shape)
    truth = sketch(nets.tensor(x), 2000)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(shape))
        found = sketch(nets.tensor(np.ascontiguousarray(x.transpose(order))), 2000)
        back = sorted(range(len(shape)), key=lambda k: -shape[order[k]])
        kept = [sorted(range(len(shape)), key=lambda a: -shape[a]).index(order[k]) for k in back]
        np.testing.assert_allclose(found, truth.transpose(kept), atol=1e-3)


@pytest.mark.parametrize(
    "kind",
    [np.float64, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, np.int8, np.uint8,
     np.int32, ">f4", ">f8"],
)  # fmt: skip
def test_every_type_agrees_with_its_float32(kind: type) -> None:
    x = (_random((300, 200)) * 20).astype(np.dtype(kind))
    np.testing.assert_allclose(sketch(nets.tensor(x), 900), sketch(nets.tensor(x.astype(np.float32)), 900), rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_one_bad_weight_shows(bad: float, kind: type) -> None:
    x = _random((300, 200)).astype(kind)
    x[150, 77] = bad
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(sketch(nets.tensor(x), 900)).all()


MEMORY = """
import resource, sys
sys.path.insert(0, {tests!r})
import nets, numpy as np
from whosenet.hashes.sketch import sketch
from whosenet.weights.base import Tensor
shape = {shape}
row = np.ones((1, *shape[1:]), np.float32)
load = lambda a, b: np.broadcast_to(row, (b - a, *shape[1:]))
sketch(nets.tensor(np.ones((40, 300), np.float32)), 64)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sketch(Tensor("w", shape, "float32", load), 4096)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize("shape", [(30_000, 3_000), (300, 300_000), (2_000_000, 40)])
def test_memory_is_bounded(shape: tuple[int, ...]) -> None:
    """90 million weights (360 MB as float32) take less than 100 MB."""
    code = MEMORY.format(tests=str(__import__("pathlib").Path(__file__).parents[1]), shape=shape)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 100
