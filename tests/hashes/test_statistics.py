"""Every statistic of the family against scipy's own, on whole and on thinned segments."""

from __future__ import annotations

import math

import nets
import numpy as np
import pytest
from scipy import stats

from whosenet.hashes import statistics
from whosenet.hashes.statistics import MIN_SEGMENT, STATISTICS, segment_features

ROWS = np.concatenate([np.random.default_rng(0).standard_normal((8, 200)),
                       np.random.default_rng(1).standard_t(3, (8, 200)),
                       np.random.default_rng(2).uniform(-1, 1, (8, 200))])  # fmt: skip
ALL = np.ones(ROWS.shape, bool)
SOME = np.abs(ROWS) > 0.3


def _lilliefors(x: np.ndarray) -> float:
    return float(stats.kstest((x - x.mean()) / x.std(ddof=1), "norm").statistic)


def _anderson(x: np.ndarray) -> float:
    z = np.sort((x - x.mean()) / x.std(ddof=1))
    i = np.arange(1, len(z) + 1)
    return float(-len(z) - np.mean((2 * i - 1) * (stats.norm.logcdf(z) + stats.norm.logsf(z[::-1]))))


REFERENCE = {
    "mean": np.sum,
    "skewness": stats.skew,
    "kurtosis": lambda x: stats.kurtosis(x, fisher=False),
    "k2": lambda x: math.log1p(stats.normaltest(x).statistic),
    "jarque_bera": lambda x: math.log1p(stats.jarque_bera(x).statistic),
    "shapiro_wilk": lambda x: math.log(1 - stats.shapiro(x).statistic + 1e-12),
    "anderson_darling": lambda x: math.log(_anderson(x) + 1e-12),
    "lilliefors": _lilliefors,
}


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("keep", [ALL, SOME], ids=["all", "some"])
def test_against_scipy(name: str, keep: np.ndarray) -> None:
    found = STATISTICS[name](ROWS, keep)
    truth = [REFERENCE[name](row[k]) for row, k in zip(ROWS, keep, strict=True)]
    np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-9)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_anderson_against_scipy() -> None:
    truth = [math.log(stats.anderson(row).statistic + 1e-12) for row in ROWS]
    np.testing.assert_allclose(statistics.anderson_darling(ROWS, ALL), truth, rtol=1e-6)


def test_z_scores_against_scipy() -> None:
    n, s, k = statistics._moments(ROWS, ALL)
    np.testing.assert_allclose(statistics._z_skewness(n, s), stats.skewtest(ROWS, axis=1).statistic, rtol=1e-9)
    np.testing.assert_allclose(statistics._z_kurtosis(n, k), stats.kurtosistest(ROWS, axis=1).statistic, rtol=1e-9)


@pytest.mark.parametrize("name", STATISTICS)
def test_segments_are_finite_whatever_is_in_them(name: str) -> None:
    x = np.random.default_rng(3).standard_normal((64, 32)).astype(np.float32)
    x[:20] = 0
    x[20:30] = 1
    values = segment_features(nets.tensor(x), name, 0.5, "weight", 4096)
    assert np.isfinite(values).all() and values.size <= 4096


def test_segments_are_cut_on_original_indices() -> None:
    """One weight that becomes important changes its own segment and no other."""
    x = np.random.default_rng(4).standard_normal((64, 40)).astype(np.float32)
    y = x.copy()
    y[10, 0] = 50
    for name in ("mean", "k2", "shapiro_wilk"):
        a, b = (segment_features(nets.tensor(v), name, 1.0, "weight", 80) for v in (x, y))
        assert np.flatnonzero(a != b).tolist() == [10 * 40 // MIN_SEGMENT] if name != "mean" else (a != b).sum() == 1


def test_a_zero_is_never_important() -> None:
    x = np.random.default_rng(5).standard_normal(200).astype(np.float32)
    x[50:] = 0
    assert not statistics._important(x, 1.0)[50:].any() and not statistics._important(x, 0.9)[50:].any()
    assert statistics._important(x, 0.1).sum() in (20, 21)
    np.testing.assert_allclose(
        statistics.kurtosis(x[None].astype(float), x[None] != 0),
        stats.kurtosis(x[:50].astype(float), fisher=False),
        rtol=1e-9,
    )
