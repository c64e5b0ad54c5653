"""How many of n points one more model of a kind agrees on, seen what some models of that kind agree on.

Model i of the kind agrees on k_i of n points, k_i ~ BetaBinomial(n, a, b), with a mean m = a / (a + b) and a spread
between models (rho = 1 / (a + b + 1) > 0, so a plain binomial lies). Neither is known; the posterior predictive
integrates over both on a grid, in log space, so that the smallest chances stay apart.

Honest models also come in families (architecture, data, a shared start). Their agreement then has several humps, and
one beta distribution is wrong where few of the models seen belong to the family nearest to the owner. So the next model
may be kin to any one of those seen: with chance 1 / (m + 1) each it is drawn around that one's rate. How much that
counts, the models say themselves: each is predicted from the others, by the one distribution and by kinship, and the
odds of the two are those of what they predicted. The larger chance is taken, so kinship only ever widens the null.

The kind nearest to the owner may be a few of many. So those that agree most, a quarter of them and at least as many as
a verdict needs, are also taken for a kind of their own, and the larger chance counts: where the null is of one kind
this costs little, where it is mixed a model of the nearest kind is not judged by the distant ones.

Points differ, too. Given a model's overall level that makes its count vary less than a binomial's, never more, so to
leave the points' difficulties out errs on the wide side.

bench/test_calibration_simulated.py shows what the prior is worth with 10 to 40 models.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from whosenet.thresholds import MIN_REFERENCES

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
LIMIT = 6.0
"""The logit of the mean agreement lies within -LIMIT..LIMIT, flat."""
STEPS = np.linspace(-6.1, 6.1, 65)
FINE = 0.05
"""Grid of that logit: FINE * sinh(STEPS) about the pooled one, finest there."""
SPREAD = np.linspace(np.log(1e-3), 0.0, 36)
"""log of 1 / (a + b): from almost binomial to the arcsine law, where most models agree on nearly all points or none."""
SHARPNESS = 0.5
"""The prior's density in log(1 / (a + b)) is proportional to exp(SHARPNESS * it): the larger, the wider the null.
Chosen, as KIN was, on the development worlds of the bench."""
KIN = 0.25
"""Kin are spread about a model as if it had answered a quarter of the points: a family has a spread of its own."""
NEAREST = 0.25
"""Share of the models, those nearest to the owner, that are a null of their own."""
CHUNK = 1 << 20


def _grid(counts: Counts, n: int, sharpness: float) -> tuple[Array, Array, Array]:
    """(a, b, log prior), each float64 [grid]."""
    pooled = special.logit((counts.sum() + 0.5) / (len(counts) * n + 1))
    level = np.clip(pooled, -LIMIT, LIMIT) + FINE * np.sinh(STEPS)
    log_width = np.where(np.abs(level) <= LIMIT, np.log(np.cosh(STEPS)), -np.inf)
    size = np.exp(-SPREAD)
    a, b = (np.outer(special.expit(sign * level), size).ravel() for sign in (1, -1))
    log_prior = (log_width[:, None] + sharpness * SPREAD).ravel()
    kept = np.isfinite(log_prior)
    return a[kept], b[kept], log_prior[kept] - special.logsumexp(log_prior)


def _log_mass(n: int, a: Array, b: Array) -> Array:
    """log P(k of n), k = 0..n, for every row of the grid: float64 [grid, n + 1], by the ratio of neighbours."""
    k = np.arange(n, dtype=np.float64)
    first = special.betaln(a, n + b) - special.betaln(a, b)
    ratio = np.log((n - k) / (k + 1)) + np.log(k + a[:, None]) - np.log(n - k - 1 + b[:, None])
    return np.concatenate([first[:, None], first[:, None] + ratio.cumsum(1)], axis=1)


@lru_cache(maxsize=4096)
def _fitted(counts: tuple[int, ...], n: int, sharpness: float) -> tuple[Array, float]:
    """One distribution for all: log P(k agreements of n) of the next model, float64 [n + 1], and the log of how well it
    predicts each of the models from the others. `counts` sorted, so that none is fitted twice."""
    seen = np.array(counts, np.int64)
    values, often = np.unique(seen, return_counts=True)
    a, b, log_prior = _grid(seen, n, sharpness)
    step = max(1, CHUNK // (n + 1))
    parts, weights, without = [], [], []
    for start in range(0, len(a), step):
        rows = slice(start, start + step)
        mass = _log_mass(n, a[rows], b[rows])
        weight = log_prior[rows] + mass[:, seen].sum(1)
        parts.append(special.logsumexp(weight[:, None] + mass, axis=0))
        without.append(special.logsumexp(weight[:, None] - mass[:, values], axis=0))
        weights.append(special.logsumexp(weight))
    total = special.logsumexp(weights)
    left_out = float(often @ (total - special.logsumexp(np.stack(without), axis=0)))
    return np.asarray(special.logsumexp(np.stack(parts), axis=0) - total, np.float64), left_out


@lru_cache(maxsize=4096)
def _kin(counts: tuple[int, ...], n: int) -> tuple[Array, float]:
    """The same if the next model is kin to one of those seen; the chance that it is of another family is left out of
    the first, and spread over all counts in the second."""
    values, often = np.unique(np.array(counts, np.int64), return_counts=True)
    near = np.asarray(values, np.float64)
    mass = _log_mass(n, 1 + KIN * near, 1 + KIN * (n - near))
    predicted = special.logsumexp(mass + np.log(often)[:, None], axis=0) - math.log(len(counts) + 1)
    others = np.exp(mass[:, values]).T @ often - np.exp(np.diag(mass[:, values])) + 1 / (n + 1)
    return np.asarray(predicted, np.float64), float(often @ np.log(others / len(counts)))


def _tails(log_mass: Array) -> Array:
    return np.asarray(np.minimum(np.logaddexp.accumulate(log_mass[::-1])[::-1], 0.0))


def log_tails(counts: Counts, n: int, *, sharpness: float = SHARPNESS, families: bool = True) -> Array:
    """Natural log of P(the next model agrees on k or more of n), k = 0 ... n: float64 [n + 1]."""
    seen = tuple(sorted(int(c) for c in counts))
    predicted, left_out = _fitted(seen, n, sharpness)
    if not families or len(seen) < 2:
        return _tails(predicted)
    kin, kin_left_out = _kin(seen, n)
    odds = -np.logaddexp(0.0, left_out - kin_left_out)
    nearest = seen[-max(MIN_REFERENCES, math.ceil(NEAREST * len(seen))) :]
    alone, _ = _fitted(nearest, n, sharpness)
    return np.asarray(np.max([_tails(predicted), _tails(kin) + odds, _tails(alone)], axis=0))


def log_at_least(k: int, counts: Counts, n: int, *, sharpness: float = SHARPNESS, families: bool = True) -> float:
    """Natural log of P(the next model agrees on k or more of n), the others having agreed on `counts`."""
    return float(log_tails(counts, n, sharpness=sharpness, families=families)[k]) if k <= n else -math.inf


def log_at_most(k: int, counts: Counts, n: int, *, sharpness: float = SHARPNESS) -> float:
    """Natural log of P(the next model agrees on k or fewer of n), all being of one family."""
    return log_at_least(n - k, n - np.asarray(counts, np.int64), n, sharpness=sharpness, families=False)
