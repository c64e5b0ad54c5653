"""A hash that rearranging does not change: permuted, rescaled, folded and transposed copies keep their code."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from whosenet.errors import UsageError
from whosenet.hashes.attention import attentions, products, stored_turned
from whosenet.hashes.balance import balanced, important, mean_square, unevenness
from whosenet.hashes.base import Features, Hash
from whosenet.hashes.canonical import Shape, canonical, heaviest
from whosenet.hashes.krylov import coefficients
from whosenet.hashes.merge import condensed
from whosenet.hashes.phase import SINGLE, TAPS, centred, image
from whosenet.hashes.widened import Widened
from whosenet.weights.base import Tensor, Weights

MIN_UNITS = 8
"""A shorter second axis is no axis of hidden units: it is flattened with the taps."""
MAX_TAPS = 49
"""Kernels with more taps are flattened, too."""
LARGEST = 1 << 26
"""Larger tensors are left out (vocabularies): they would take gigabytes."""
DOUBLE = 1 << 22
"""Tensors up to this many weights are worked on in float64, so that rearranging changes no bit."""
EACH = len(TAPS) // 2
PRODUCTS = ("qk", "vo")
HEADS = 4
"""Weight of a product of attention in blocks: with it as many stay when heads are turned as when names are changed."""
Keys = tuple[tuple[str, ...], tuple[str, ...]]
MIN_BLOCKS = 6
"""With fewer, one or two that agree by chance would weigh too much: no code."""
KAPPA = 0.04
"""Mean square of the kernel between two strangers' blocks (bench/invariant_calibration.py, development half)."""


class Invariant(Hash):
    """Ours; no source. Balanced kernels (Sinkhorn), taken tap by tap to Golub-Kahan coefficients from the vector of
    ones on either side, and by phase to bits. METHODS.md proposed balanced singular spectra: measured on trained nets,
    those move two to three times as much under int4 for the same spread between twins."""

    name = "invariant"
    version = 1
    defaults: ClassVar[dict[str, Any]] = {"bits": 256}
    ignores_rearranging = True

    def check(self) -> None:
        if self.parameters["bits"] not in (64, 128, 256, 512, 1024):
            raise UsageError("bits must be 64, 128, 256, 512 or 1024")

    def features(self, weights: Weights) -> Features:
        """Those of the tensors and of the products of attention: cosines, by shape."""
        tensors, _ = heaviest(weights.tensors)
        told = widened(tensors)
        out = self.collected(weights, lambda tensor: self._features_of(tensor, told))
        turned = stored_turned(tensors)
        for heads in attentions(tensors):
            for kind, product in products(heads, turned):
                if len(product) >= MIN_UNITS and np.isfinite(product).all() and product.any():
                    shape = (0, len(product), PRODUCTS.index(kind))
                    out.tensors -= out.add(
                        shape, self._sums([single(balanced(np.array(product[None], order="C")))], shape)
                    )
        out.parts = {shape: self._centred(values, shape, out.counts[shape]) for shape, values in out.parts.items()}
        return out

    def tensor_features(self, tensor: Tensor) -> tuple[Shape, NDArray[np.float64]] | str:
        return self._features_of(tensor, widened([tensor]))

    def _features_of(self, tensor: Tensor, told: Widened) -> tuple[Shape, NDArray[np.float64]] | str:
        if canonical(tensor.shape).shape[0] < MIN_UNITS:
            return "too few numbers"
        if tensor.elements > LARGEST:
            return "too many numbers"
        whole = numbers(tensor)
        if not np.isfinite(whole).all():
            return "not finite"
        whole = condensed(whole, unit_axes(whole.shape), told)
        layout = canonical(whole.shape)
        if layout.shape[0] < MIN_UNITS:
            return "too few numbers"
        whole = whole.reshape(layout.squeezed).transpose(layout.order)
        return layout.shape, self._sums([self._blocks(whole, view) for view in views(layout.shape)], layout.shape)

    def _blocks(self, whole: NDArray[Any], view: tuple[int, ...]) -> list[NDArray[np.float64]]:
        """`view`: the axes of units, one or two. Blocks of both sides, one a tap."""
        taps = balanced(important(balanced(stacked(whole, view))))
        return single(taps) if len(taps) == 1 else several(taps, [whole.shape[a] for a in others(whole.shape, view)])

    def _sums(self, found: list[list[NDArray[np.float64]]], shape: Shape) -> NDArray[np.float64]:
        """`found`: blocks of each view and side. One row of sums for each key: float64 [keys, bits + moments]."""
        flat = np.concatenate([side for view in found for side in view])
        keys = np.array(plan(shape))
        return np.stack(
            [image(flat[keys == key], key, energy_of(shape), self._bits) for key in dict.fromkeys(plan(shape))]
        )

    def _centred(self, sums: NDArray[np.float64], shape: Shape, tensors: int) -> NDArray[np.float64]:
        count = Counter(plan(shape))
        rows = [
            centred(row, n * tensors, key, energy_of(shape), self._bits)
            for row, (key, n) in zip(sums, count.items(), strict=True)
        ]
        return np.asarray(sum(rows) * (HEADS**0.5 if shape[0] == 0 else 1.0))

    @property
    def _bits(self) -> int:
        return int(self.parameters["bits"])

    def encode(self, features: Features) -> NDArray[np.bool_]:
        return np.asarray(sum(features.parts.values()) > 0)

    def effective(self, features: Features) -> float:
        """1 / variance of the kernel mean between strangers: every block of one key meets every other of it."""
        count: Counter[str] = Counter()
        for shape in features.parts:
            weight = features.counts[shape] * (HEADS if shape[0] == 0 else 1)
            count.update({k: n * weight for k, n in Counter(plan(shape)).items()})
        total = sum(count.values())
        return total**2 / (KAPPA * sum(n * n for n in count.values())) if total >= MIN_BLOCKS else 0.0


def numbers(tensor: Tensor) -> NDArray[Any]:
    """float32 or float64, in canonical axes."""
    layout = canonical(tensor.shape)
    kind = np.float64 if tensor.elements <= DOUBLE else np.float32
    return np.asarray(tensor.raw()).astype(kind).reshape(layout.squeezed).transpose(layout.order)


def widened(tensors: list[Tensor]) -> Widened:
    return Widened(tensors, numbers, unit_axes, LARGEST)


def unit_axes(shape: Shape) -> list[int]:
    return sorted({axis for view in views(shape) for axis in view})


@lru_cache(maxsize=512)
def plan(shape: Shape) -> tuple[str, ...]:
    """The key of every block of a tensor, or of a product of attention (0, width, kind)."""
    if shape[0] == 0:
        return (f"{PRODUCTS[shape[2]]} {shape[1]}",) * 2
    return tuple(key for view in views(shape) for side in block_keys(shape, view) for key in side)


def energy_of(shape: Shape) -> tuple[float, ...]:
    one = shape[0] == 0 or len(block_keys(shape, views(shape)[0])[0]) == 1
    return SINGLE if one else TAPS


def several(taps: NDArray[Any], grid: list[int]) -> list[NDArray[np.float64]]:
    """Blocks of both sides of [taps, n, m], float64 [taps, 2 EACH]: from ones, of each tap and of its partner in the
    cosine transform of the taps (`grid`: their number along each axis)."""
    pair = [taps, (waves(tuple(grid)).astype(taps.dtype) @ taps.reshape(len(taps), -1)).reshape(taps.shape)]
    sizes = [_size(x) for x in pair]
    sides = ([x, x.transpose(0, 2, 1)] for x in pair)
    found = [[coefficients(m, EACH) / size for m in side] for side, size in zip(sides, sizes, strict=True)]
    return [np.concatenate([a, b], axis=1) for a, b in zip(*found, strict=True)]


@lru_cache(maxsize=64)
def waves(grid: tuple[int, ...]) -> NDArray[np.float64]:
    """The orthonormal cosine transform of a grid of taps as a matrix [taps, taps]."""
    out: NDArray[np.float64] = np.ones((1, 1))
    for length in grid:
        out = np.asarray(np.kron(out, dct(np.eye(length), axis=0, norm="ortho")), np.float64)
    return out


def single(taps: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Blocks of both sides of one matrix [1, n, m], float64 [1, 2 EACH]: from ones, and from the units' kurtosis."""
    size = _size(taps)
    sides = [(taps, unevenness(taps[0], 1)), (taps.transpose(0, 2, 1), unevenness(taps[0], 0))]
    return [np.concatenate([coefficients(m, EACH), coefficients(m, EACH, q)], axis=1) / size for m, q in sides]


def _size(taps: NDArray[Any]) -> NDArray[np.float64]:
    size = np.sqrt(mean_square(taps))[:, None]
    return np.where(size > 0, size, 1.0)


@lru_cache(maxsize=512)
def views(shape: Shape) -> tuple[tuple[int, ...], ...]:
    """Which axes of a canonical shape hold units: every choice that storage may have made among equal axes."""
    if shape[1] < MIN_UNITS or math.prod(shape[2:]) > MAX_TAPS:
        return ((0,),) if shape[1] < shape[0] else tuple((i,) for i, d in enumerate(shape) if d == shape[0])
    long, short = shape[:2]
    pairs = itertools.combinations(range(len(shape)), 2)
    return tuple((i, j) for i, j in pairs if {shape[i], shape[j]} == {long, short})


def others(shape: Shape, view: tuple[int, ...]) -> list[int]:
    return [a for a in range(len(shape)) if a not in view]


def stacked(whole: NDArray[Any], view: tuple[int, ...]) -> NDArray[Any]:
    """A fresh array [taps, n, m] with the unit axes last."""
    rest = others(whole.shape, view)
    if len(view) == 1:
        return np.array(whole.transpose(*view, *rest).reshape(1, whole.shape[view[0]], -1))
    out = whole.transpose(*rest, *view)
    return np.array(out.reshape(-1, *out.shape[-2:]), order="C")


@lru_cache(maxsize=512)
def block_keys(shape: Shape, view: tuple[int, ...]) -> Keys:
    """Keys of the blocks of both sides, one a tap: the same for taps that a transposition exchanges."""
    rest = [shape[a] for a in others(shape, view)] if len(view) == 2 else []
    labels = []
    for place in itertools.product(*map(range, rest)):
        marked = sorted(zip(rest, place, strict=True))
        labels.append(f"{shape} {marked}")
    square = len(view) == 2 and shape[view[0]] == shape[view[1]]
    return tuple(f"{x} side 0" for x in labels), tuple(f"{x} side {int(not square)}" for x in labels)
