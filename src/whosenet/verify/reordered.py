"""What a comparison says once hidden units may have been re-ordered, rescaled or turned: verdict, reason and rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from whosenet import thresholds
from whosenet.structure.alone import aligned
from whosenet.structure.matched import Matched, laid
from whosenet.structure.rearranged import Model, Rearranged, rearranged, reordered, widened
from whosenet.structure.view import balanced, numbers
from whosenet.types import Verdict
from whosenet.verify.align import Pair
from whosenet.verify.folding import FOLDED, Folding
from whosenet.verify.relation import Traced, quantised, trace
from whosenet.weights.base import Tensor

DERIVED = "tensors that share no number tell the same re-ordering of hidden units"
EQUAL = "after one re-ordering of hidden units the tensors hold the same numbers"
ONE = "all that agrees is one re-ordering, which tables of one vocabulary would share, too"
LITTLE = "only a small share of the weights agrees once hidden units are re-ordered"
SAME = 0.9999
RESCALED = 1e-3
TRIES = math.log10(2)
"""In place or re-ordered: two tests for a stranger to fail."""


@dataclass(frozen=True)
class Moved:
    """One pair of tensors in A's order."""

    matched: Matched
    traced: Traced
    note: str
    changes: frozenset[str]


@dataclass(frozen=True)
class Reordered:
    verdict: Verdict | None
    """None where re-ordering explains nothing."""
    reason: str
    log10_p: float
    coverage: tuple[float, float]
    """Shares of A's and of B's weights that are traced."""
    found: Rearranged
    power: float
    """log10 p of a copy of A with nothing but its units re-ordered."""


def look(ours: list[Tensor], theirs: list[Tensor], alpha: float) -> Reordered:
    """Ask whether tensors agree on a re-ordering; `derived` under the rules that hold in place, too."""
    model = Model(ours)
    found = rearranged(model, Model(theirs))
    linked = [found.found[k] for k in sorted(found.linked)]
    a, b = (max(sum(t.elements for t in side), 1) for side in (ours, theirs))
    coverage = sum(m.a.elements for m in linked) / a, sum(m.b.elements for m in linked) / b
    verdict, reason = _verdict(found, linked, max(coverage), math.log10(alpha) - TRIES)
    log10_p = found.log10_all if reason in (EQUAL, ONE) else found.log10_p
    return Reordered(verdict, reason, min(0.0, log10_p + TRIES), coverage, found, model.power() + TRIES)


def _verdict(found: Rearranged, linked: list[Matched], coverage: float, limit: float) -> tuple[Verdict | None, str]:
    if found.log10_all > limit:
        return None, ""
    if coverage < thresholds.MIN_COVERAGE:
        return "inconclusive", LITTLE
    if found.log10_p <= limit:
        return "derived", DERIVED
    if coverage >= thresholds.MIN_COVERAGE_EQUAL and all(m.matching.similarity > SAME for m in linked):
        return "derived", EQUAL
    return "inconclusive", ONE


def moved(m: Matched, folding: Folding) -> Moved:
    """What happened to one pair: B brought into A's order, signs and scale, then compared number by number."""
    x, y = laid(numbers(m.a), m.layouts[0]), laid(numbers(m.b), m.layouts[1])
    y = aligned(y, m.matching.rows, m.matching.columns)
    y = y * m.matching.row_signs[:, None, None] * m.matching.column_signs[None, :, None]
    scaled = _in_scale(x, y)
    rescaled = bool(np.linalg.norm(y - scaled) > RESCALED * np.linalg.norm(scaled))
    pair = Pair(m.a, m.b, ())
    traced = trace(pair, x.astype(np.float64), (scaled if rescaled else y).astype(np.float64))
    if rescaled and traced.change in ("fine-tune", "pruned") and _levelled(x, y):
        traced = replace(traced, change="quantised")
    turned = bool((m.matching.row_signs < 0).any() and (m.matching.column_signs < 0).any())
    folded = rescaled and folding.explains(x.astype(np.float64), y.astype(np.float64))
    words = {
        "re-ordered": reordered(m),
        "folded": folded,
        "rescaled": rescaled and not folded,
        "turned": turned,
        "widened": widened(m),
    }
    return Moved(
        m,
        traced,
        _note(words, traced.change, cast=m.a.dtype != m.b.dtype),
        frozenset(w for w, true in words.items() if true),
    )


def _levelled(x: NDArray[np.float32], y: NDArray[np.float32]) -> bool:
    """Rounded after its channels were rescaled: y is on a grid as it stands, and off it in x's scale."""
    return quantised(_in_scale(y, x).astype(np.float64), y.astype(np.float64))


def _in_scale(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """y with the scales of x's rows and columns."""
    flat, target = balanced(y), balanced(x)
    scale = np.divide(x, target, out=np.zeros_like(x), where=target != 0)
    size = np.abs(scale).max(axis=2, keepdims=True)
    return np.asarray(flat * size, dtype=np.float32)


def _note(words: dict[str, bool], change: str, *, cast: bool) -> str:
    said = {
        "re-ordered": "hidden units re-ordered", "widened": "layers of another width", "folded": FOLDED,
        "rescaled": "channels rescaled", "turned": "signs turned",
    }  # fmt: skip
    parts = [said[w] for w, true in words.items() if true]
    if change == "identical" or (change == "cast" and not cast):
        return ", ".join(parts) or "identical"
    return ", ".join([*parts, change])
