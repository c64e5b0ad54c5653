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
from scipy import special

ANGLES = 4001
LOG10 = math.log(10)
STEPS = 100
"""m_eff is rounded down to one of so many values a factor e: at most 1 % lower, never higher, and few distinct ones."""


def log10_p(distance: int, bits: int, m_eff: float) -> float:
    """log10 of the chance that two unrelated models are at most `distance` of `bits` apart; m_eff >= 2."""
    if not 0 <= distance <= bits:
        raise ValueError(f"distance {distance} is not within 0..{bits}")
    return _log10_p(distance, bits, math.floor(STEPS * math.log(max(m_eff, 2.0))))


@lru_cache(maxsize=1 << 16)
def _log10_p(distance: int, bits: int, step: int) -> float:
    angle, log_weight = _angles(step)
    return min(float(special.logsumexp(log_weight + _log_tail(distance, bits, angle / math.pi))) / LOG10, 0.0)


def _log_tail(distance: int, bits: int, p: NDArray[np.float64]) -> NDArray[np.float64]:
    """log P(Binomial(bits, p) <= distance); where that underflows, a geometric bound from above."""
    tail = special.bdtr(distance, bits, p)
    log_choose = special.gammaln(bits + 1) - special.gammaln(distance + 1) - special.gammaln(bits - distance + 1)
    with np.errstate(all="ignore"):
        last = log_choose + distance * np.log(p) + (bits - distance) * np.log1p(-p)
        ratio = distance * (1 - p) / ((bits - distance + 1) * p)
        return np.where(tail > 1e-280, np.log(tail), last - np.log1p(-np.minimum(ratio, 0.999)))


@lru_cache(maxsize=512)
def _angles(step: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Angles between random directions in exp(step / STEPS) dimensions, and log probabilities (density sin^(m-2))."""
    m_eff = max(math.exp(step / STEPS), 2.0)
    angle: NDArray[np.float64] = (np.arange(ANGLES, dtype=np.float64) + 0.5) * (math.pi / ANGLES)
    log_weight = (m_eff - 2) * np.log(np.sin(angle))
    return angle, np.asarray(log_weight - special.logsumexp(log_weight), dtype=np.float64)


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


def threshold(bits: int, m_eff: float, log10_alpha: float) -> int:
    """The largest distance with log10_p <= log10_alpha, -1 if there is none."""
    low, high = -1, bits
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if log10_p(middle, bits, m_eff) <= log10_alpha else (low, middle - 1)
    return low


def power(cosine: float, bits: int, m_eff: float, log10_alpha: float) -> float:
    """Chance that a copy with this cosine to its original gets log10_p <= log10_alpha."""
    limit = threshold(bits, m_eff, log10_alpha)
    return 0.0 if limit < 0 else float(special.bdtr(limit, bits, expected_distance(cosine, bits) / bits))
