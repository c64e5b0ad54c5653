"""What a distance between two codes is worth: the probability that strangers come as near.

Two strangers' feature vectors are random directions in m_eff dimensions; a bit of a projection code differs with
probability theta / pi, theta the angle between them. The angle itself varies, by 1 / sqrt(m_eff), so
    p(d) = E_theta[ P(Binomial(bits, theta / pi) <= d) ].
A plain fair-coin binomial forgets that and is ten times too small at 1e-6 for m_eff = 400.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

ANGLES = 4001
LOG10 = math.log(10)


def log10_p(distance: int, bits: int, m_eff: float) -> float:
    """log10 of the chance that two unrelated models are at most `distance` of `bits` apart; m_eff >= 2."""
    if not 0 <= distance <= bits:
        raise ValueError(f"distance {distance} is not within 0..{bits}")
    return float(_table(bits, round(max(m_eff, 2.0), 1))[distance])


@lru_cache(maxsize=4096)
def _table(bits: int, m_eff: float) -> NDArray[np.float64]:
    """log10_p for every distance 0..bits."""
    angle = (np.arange(ANGLES) + 0.5) * (math.pi / ANGLES)
    log_weight = (m_eff - 2) * np.log(np.sin(angle))
    log_weight -= special.logsumexp(log_weight)
    d = np.arange(bits + 1)[:, None]
    with np.errstate(divide="ignore"):
        log_tail = stats.binom.logcdf(d, bits, angle[None, :] / math.pi)
    return np.minimum(special.logsumexp(log_tail + log_weight[None, :], axis=1) / LOG10, 0.0)


def log10_p_cosine(cosine: float, m_eff: float) -> float:
    """log10 of the chance that two random directions in m_eff dimensions have at least this cosine (one-sided)."""
    if cosine <= 0:
        return math.log10(0.5 + 0.5 * special.betainc(0.5, (m_eff - 1) / 2, min(cosine * cosine, 1.0)))
    x = max(1.0 - min(cosine, 1.0) ** 2, 0.0)
    a = (m_eff - 1) / 2
    tail = 0.5 * special.betainc(a, 0.5, x)
    if tail > 1e-290:
        return math.log10(tail)
    if x == 0.0:
        x = 1e-15
    # Leading term of the incomplete beta for tiny x^a, where betainc underflows.
    return float(
        (a * math.log(x) - math.log(a) - special.betaln(a, 0.5) - 0.5 * math.log1p(-x)) / LOG10 + math.log10(0.5)
    )


def expected_distance(cosine: float, bits: int) -> float:
    """Mean distance of codes whose feature vectors have this cosine."""
    return bits * math.acos(max(-1.0, min(1.0, cosine))) / math.pi


def power(cosine: float, bits: int, m_eff: float, log10_alpha: float) -> float:
    """Chance that a copy with this cosine to its original gets log10_p <= log10_alpha."""
    below = np.flatnonzero(_table(bits, round(max(m_eff, 2.0), 1)) <= log10_alpha)
    if not len(below):
        return 0.0
    return float(stats.binom.cdf(below[-1], bits, expected_distance(cosine, bits) / bits))


def smallest_m_eff(bits: int, log10_alpha: float) -> float:
    """The m_eff under which even distance 0 is weaker evidence than alpha."""
    if log10_p(0, bits, 1e7) > log10_alpha:
        return math.inf
    root = optimize.brentq(lambda m: log10_p(0, bits, m) - log10_alpha, 2.0, 1e5, xtol=0.05)
    return float(root)
