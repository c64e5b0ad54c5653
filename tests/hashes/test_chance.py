"""p-values against Monte Carlo, exact binomials, and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from whosenet.hashes import chance


def _strangers(m: int, bits: int, count: int) -> np.ndarray:
    """Distances of sign codes of independent random directions in m dimensions: the angle, then the bits."""
    rng = np.random.default_rng([m, bits])
    cosine = rng.choice([-1, 1], count) * np.sqrt(rng.beta(0.5, (m - 1) / 2, count))
    return rng.binomial(bits, np.arccos(cosine) / math.pi)


@pytest.mark.parametrize(("m", "bits"), [(3, 64), (20, 64), (60, 256), (400, 256), (5000, 256), (300, 1024)])
def test_against_monte_carlo(m: int, bits: int) -> None:
    found = _strangers(m, bits, 400_000)
    for d in np.quantile(found, [1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9]).astype(int):
        truth, got = np.mean(found <= d), 10 ** chance.log10_p(int(d), bits, m)
        assert abs(got - truth) < 5 * math.sqrt(truth / len(found)) + 2e-3 * truth


def test_projection_codes_of_real_vectors_follow_the_same_law() -> None:
    """The model of the docstring against the thing itself: random vectors, random signs, 256 bits."""
    rng = np.random.default_rng(0)
    m, count = 50, 1500
    signs = rng.standard_normal((m, 256))
    codes = rng.standard_normal((count, m)) @ signs > 0
    distance = (codes[:, None, :500] != codes[None, :60]).sum(axis=2)[60:].ravel()
    for d in (90, 100, 110, 120, 128):
        assert np.mean(distance <= d) == pytest.approx(10 ** chance.log10_p(d, 256, m), rel=0.25)


@pytest.mark.parametrize("bits", [64, 256, 1024])
def test_many_features_make_a_fair_coin(bits: int) -> None:
    for d in range(0, bits, bits // 16):
        exact = stats.binom.logcdf(d, bits, 0.5) / math.log(10)
        assert chance.log10_p(d, bits, 1e7) == pytest.approx(max(exact, -1e9), rel=2e-3, abs=1e-3)


@pytest.mark.parametrize("m", [2, 2.5, 10, 395.7, 1e4, 1e6])
def test_monotone_in_distance_and_never_above_one(m: float) -> None:
    p = [chance.log10_p(d, 256, m) for d in range(257)]
    assert all(a <= b + 1e-12 for a, b in zip(p, p[1:], strict=False)) and p[-1] == pytest.approx(0, abs=1e-9)
    assert all(math.isfinite(x) and x <= 0 for x in p)


def test_more_features_make_a_small_distance_rarer() -> None:
    p = [chance.log10_p(70, 256, m) for m in (10, 50, 200, 1000, 1e4)]
    assert p == sorted(p, reverse=True)


def test_the_plain_binomial_would_be_ten_times_too_small() -> None:
    at_million = next(d for d in range(257) if stats.binom.cdf(d + 1, 256, 0.5) > 1e-6)
    assert -5.4 < chance.log10_p(at_million, 256, 400) < -4.6


def test_no_distance_outside_the_code() -> None:
    for distance in (-1, 257):
        with pytest.raises(ValueError, match="not within"):
            chance.log10_p(distance, 256, 100)


@pytest.mark.parametrize("m", [3, 10, 100, 4000, 1e5])
@pytest.mark.parametrize("cosine", [-0.9, -0.1, 0.0, 0.01, 0.05, 0.3, 0.7])
def test_cosine_against_scipy(m: float, cosine: float) -> None:
    """(cosine + 1) / 2 of random directions is Beta((m - 1) / 2, (m - 1) / 2)."""
    a = (m - 1) / 2
    exact = float(stats.beta.logsf((1 + cosine) / 2, a, a))
    if exact > -600 and math.isfinite(exact):
        assert chance.log10_p_cosine(cosine, m) == pytest.approx(exact / math.log(10), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("m", [5, 50])
def test_cosine_against_monte_carlo(m: int) -> None:
    rng = np.random.default_rng(m)
    x, y = rng.standard_normal((2, 200_000, m))
    cosine = (x * y).sum(axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    for q in (0.5, 0.9, 0.99, 0.999):
        assert 10 ** chance.log10_p_cosine(float(np.quantile(cosine, q)), m) == pytest.approx(1 - q, rel=0.15)


def test_cosine_where_doubles_underflow() -> None:
    """Continuous and monotone into exponents no double holds; against the leading term in logs."""
    p = [chance.log10_p_cosine(c, 20_000) for c in np.linspace(0, 1, 400)]
    assert all(a >= b for a, b in zip(p, p[1:], strict=False)) and p[-1] < -10_000 and math.isfinite(p[-1])
    steps = -np.diff(p[20:380])
    assert np.all(steps[1:] / steps[:-1] < 1.1)
    a, x = (20_000 - 1) / 2, 1 - 0.5**2
    leading = (a * math.log(x) - math.log(a) - special.betaln(a, 0.5) - 0.5 * math.log(1 - x)) / math.log(10)
    assert chance.log10_p_cosine(0.5, 20_000) == pytest.approx(leading + math.log10(0.5), abs=0.01)


def test_power_is_that_of_simulated_copies() -> None:
    rng = np.random.default_rng(1)
    m, cosine, alpha = 500, 0.5, -6.0
    d = rng.binomial(256, math.acos(cosine) / math.pi, 20_000)
    found = np.mean([chance.log10_p(int(x), 256, m) <= alpha for x in d])
    assert chance.power(cosine, 256, m, alpha) == pytest.approx(found, abs=0.01)
    assert chance.power(1.0, 256, 500, alpha) == 1.0 and chance.power(0.9, 256, 5, alpha) < 0.9
    assert chance.power(0.99, 64, 3, -9.0) == 0.0
