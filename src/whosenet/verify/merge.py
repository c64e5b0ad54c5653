"""Merged models: how much of each parent is in a mix, with an interval.

A soup or a task-arithmetic merge is MIX = BASE + sum of share_k (PARENT_k - BASE), tensor by tensor. The shares are
found by least squares in every tensor; tensors are the repetitions, from which the interval follows (Student's t over
tensors, weighted by size). Without a base, the shares of an average, which add up to one, are found with the last
parent as base. Parents must stand in the same order of units as the mix: nobody can average models otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from whosenet.errors import UsageError
from whosenet.verify.align import by_content, by_name, speaking
from whosenet.verify.values import values
from whosenet.weights.base import Tensor, Weights

Array = NDArray[np.float64]
LEVEL = 0.95
INDISTINCT = 1e-10
"""Parents whose differences are this near to parallel cannot be told apart."""


@dataclass(frozen=True)
class Share:
    """`low` and `high`: a 95 % interval for the share of this parent, from how much tensors differ."""

    parent: str
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class Mix:
    shares: list[Share]
    explained: float
    """Share of the mix's difference from the base that the parents explain, 0..1: near one for a plain merge."""
    tensors: int


def shares(mix: Weights, parents: Sequence[Weights], base: Weights | None = None) -> Mix:
    """The share of every parent in `mix`; with no base, shares of two or more parents that add up to one."""
    if base is None and len(parents) < 2:
        raise UsageError("shares needs a base, or two parents and more; got one parent and no base")
    start, others = (base, list(parents)) if base is not None else (parents[-1], list(parents[:-1]))
    models = [speaking(w)[0] for w in (start, *others)]
    rows = [fit for t in speaking(mix)[0] if (fit := _fit(t, _found(t, models))) is not None]
    if len(rows) < 2:
        raise UsageError(f"only {len(rows)} tensors of the mix are in all the models given; a share needs two and more")
    found = _combined(rows, [p.name for p in others])
    if base is None:
        total = sum(s.share for s in found)
        width = math.sqrt(sum((s.high - s.share) ** 2 for s in found))
        found.append(Share(parents[-1].name, 1 - total, 1 - total - width, 1 - total + width))
    left, whole = sum(r[2] for r in rows), sum(r[3] for r in rows)
    return Mix(found, 1 - left / max(whole, 1e-300), len(rows))


Fit = tuple[Array, Array, float, float]
"""Shares [parents] of one tensor, their information matrix, squares left unexplained, and squares there were."""


def _found(tensor: Tensor, models: Sequence[list[Tensor]]) -> list[Array] | None:
    """The tensor's numbers in the start and in every parent, in its own axis order."""
    out = []
    for theirs in models:
        pairs = by_name([tensor], theirs).pairs or by_content([tensor], theirs).pairs
        if not pairs:
            return None
        out.append(values(pairs[0].b).transpose(pairs[0].order))
    return out


def _fit(tensor: Tensor, found: list[Array] | None) -> Fit | None:
    if found is None:
        return None
    start, *others = (f.ravel() for f in found)
    target = values(tensor).ravel() - start
    design = np.stack([o - start for o in others], axis=1)
    gram = design.T @ design
    if not np.isfinite(gram).all() or np.linalg.cond(gram) > 1 / INDISTINCT:
        return None
    share: Array = np.linalg.solve(gram, design.T @ target).astype(np.float64)
    return share, gram, float(np.sum((target - design @ share) ** 2)), float(target @ target)


def _combined(rows: list[Fit], names: list[str]) -> list[Share]:
    found = []
    for k, name in enumerate(names):
        each, weight = np.array([r[0][k] for r in rows]), np.array([r[1][k, k] for r in rows])
        weight = weight / weight.sum()
        mean = float(each @ weight)
        effective = 1 / float(np.sum(weight**2))
        error = math.sqrt(float(weight @ (each - mean) ** 2) / max(effective - 1, 0.5))
        reach = float(stats.t.ppf(0.5 + LEVEL / 2, max(effective - 1, 1))) * error
        found.append(Share(name, mean, mean - reach, mean + reach))
    return found
