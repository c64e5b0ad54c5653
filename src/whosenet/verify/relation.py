"""What probably happened between two related tensors, and from them between two models. Likely, not proved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from whosenet import thresholds
from whosenet.hashes.nts import balanced
from whosenet.verify.align import Pair
from whosenet.verify.levels import ZEROS_MORE, explained, on_few_levels

Array = NDArray[np.float64]

CAST = {
    "float16": (2.0**-10, 2.0**-24),
    "bfloat16": (2.0**-7, 2.0**-126),
    "float8_e4m3fn": (2.0**-3, 2.0**-9),
    "float8_e5m2": (2.0**-2, 2.0**-16),
}
"""Largest relative error of rounding to a type, with a bit of room, and its smallest step."""
INTEGERS = ("int", "uint", "q", "iq", "tq", "mxfp")
"""How the labels of quantised types begin."""
SAME_NUMBERS = "the same numbers in another order or with other signs"
SAME_UP_TO_SCALE = 0.9999
CLOSE = 0.9


@dataclass(frozen=True)
class Traced:
    """What one aligned pair of tensors shows."""

    pair: Pair
    similarity: float
    change: str
    """identical, cast, quantised, pruned, rescaled, fine-tune."""
    content: str
    """Digest of A's numbers: one table stored twice has one."""
    same_numbers: bool = False
    """The same values up to signs, but at other places or with other signs."""

    @property
    def note(self) -> str:
        if self.same_numbers:
            return SAME_NUMBERS
        moved = self.pair.order != tuple(sorted(self.pair.order)) or self.pair.a.shape != self.pair.b.shape
        return self.change + (", axes in another order" if moved else "")


def trace(pair: Pair, x: Array, y: Array) -> Traced:
    """Look at the numbers of two aligned arrays of one shape."""
    similarity = _pearson(x, y)
    sizes = [np.sort(np.abs(v), axis=None) for v in (x, y)] if similarity < CLOSE else []
    elsewhere = bool(sizes) and np.allclose(sizes[0], sizes[1], rtol=1e-5)
    return Traced(pair, similarity, _change(pair, x, y), blake3(x.tobytes()).hexdigest(), elsewhere)


def _change(pair: Pair, x: Array, y: Array) -> str:
    if np.array_equal(x, y):
        floats = {pair.a.dtype, pair.b.dtype} <= CAST.keys() | {"float32"}
        return "cast" if floats and pair.a.dtype != pair.b.dtype else "identical"
    if _rounded(pair, x, y):
        return "cast"
    alike = _pearson(balanced(x), balanced(y))
    if alike > CLOSE and pair.a.dtype.startswith(INTEGERS) != pair.b.dtype.startswith(INTEGERS):
        return "quantised"
    levelled = alike > CLOSE and on_few_levels(x) != on_few_levels(y)
    if levelled and quantised(x, y):
        return "quantised"
    if _pruned(x, y):
        return "pruned"
    if levelled:
        return "quantised"
    return "rescaled" if alike > SAME_UP_TO_SCALE and 1 - _pearson(x, y) > 10 * (1 - alike) else "fine-tune"


def quantised(x: Array, y: Array) -> bool:
    """Whether one of two arrays of one scale stands on few levels, the other not, and rounding explains its zeros."""
    few = on_few_levels(x), on_few_levels(y)
    return few[0] != few[1] and explained(*((y, x) if few[0] else (x, y)))


def _rounded(pair: Pair, x: Array, y: Array) -> bool:
    """Whether one is the other to within the rounding of its stored type (bfloat16, if both are stored long)."""
    relative, step = max([CAST[t.dtype] for t in (pair.a, pair.b) if t.dtype in CAST] or [CAST["bfloat16"]])
    return bool(np.allclose(x, y, rtol=relative, atol=max(step, 1e-6 * float(np.abs(x).max()))))


def _pruned(x: Array, y: Array) -> bool:
    both = (x != 0) & (y != 0)
    more = abs(float(np.mean(x == 0)) - float(np.mean(y == 0)))
    return more > ZEROS_MORE and _pearson(x[both], y[both]) > CLOSE


def _pearson(x: Array, y: Array) -> float:
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return 1.0 if np.array_equal(x, y) else 0.0
    return float(np.clip(np.corrcoef(x.ravel(), y.ravel())[0, 1], -1.0, 1.0))


def relation(found: list[Traced], lost: int, formats: tuple[str, str]) -> list[str]:
    """The likely story of the whole model in the words of the field; `lost`: tensors of B that are not from A."""
    changes = {t.change for t in found}
    words = ["export"] if formats[0] != formats[1] else []
    words += [w for w in ("quantised", "pruned", "cast") if w in changes]
    if "rescaled" in changes and not {"export", "quantised"} & set(words):
        words.append("rescaled")
    if "fine-tune" in changes:
        words += _trained([t for t in found if t.change == "fine-tune"], changes)
    if 0 < lost <= 2 and len(found) >= 2 * lost:
        words.append("head-replaced")
    return words or ["re-save"]


def _trained(changed: list[Traced], changes: set[str]) -> list[str]:
    """Two gentle trainings from one start, or two fine-tunes of one public net with the same layers frozen, can end as
    near to each other as a model and its fine-tune: both are named, the likelier first."""
    similarity = float(np.average([t.similarity for t in changed], weights=[t.pair.a.elements for t in changed]))
    if similarity > 0.98 and changes & {"quantised", "cast"}:
        return []
    both = ["fine-tune", "shared-start"]
    return both if similarity >= thresholds.SHARED_START_COSINE else both[::-1]
