"""The in-place test and its p-value: calibrated on strangers, blind to what all units share."""

from __future__ import annotations

import math

import nets
import numpy as np
import pytest
from scipy import stats

from whosenet.verify.inplace import in_place, prepared, together


def _p(x: np.ndarray, y: np.ndarray) -> float:
    return in_place(prepared(x.astype(np.float64)), prepared(y.astype(np.float64))).log10_p


def _calibrated(p: np.ndarray) -> None:
    """One-sided: never many more small values than a fair test gives (three standard errors and a fifth)."""
    for level in (0.2, 0.05, 0.01, 0.002):
        share = np.mean(p <= level)
        assert share <= 1.2 * level + 3 * math.sqrt(level / len(p)), (level, share)
    assert np.mean(p <= 0.5) > 0.3


@pytest.mark.parametrize("draw", [nets.gaussian, nets.heavy, nets.low_rank])
@pytest.mark.parametrize("shape", [(24, 16), (16, 12, 3, 3), (30, 4)])
def test_calibrated_on_strangers(draw: nets.Draw, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    made = [prepared(draw(rng, shape)) for _ in range(60)]
    p = np.array([10 ** in_place(x, y).log10_p for i, x in enumerate(made) for y in made[:i]])
    assert len(p) == 1770
    _calibrated(p)


def test_calibrated_where_units_share_one_strong_direction() -> None:
    """Rank-one common part, permuted units: honest twins on one data set."""
    rng = np.random.default_rng(1)
    direction, loading = rng.standard_normal((1, 40)), rng.uniform(0.5, 2, (48, 1))
    made = [prepared(3 * rng.permutation(loading) * direction + rng.standard_normal((48, 40))) for _ in range(60)]
    _calibrated(np.array([10 ** in_place(x, y).log10_p for i, x in enumerate(made) for y in made[:i]]))


def test_calibrated_on_permuted_twins() -> None:
    """The same units in another order: everything is shared but the places."""
    rng = np.random.default_rng(2)
    units = nets.low_rank(rng, (48, 40))
    made = [prepared(rng.permutation(units) + 0.3 * rng.standard_normal((48, 40))) for _ in range(60)]
    _calibrated(np.array([10 ** in_place(x, y).log10_p for i, x in enumerate(made) for y in made[:i]]))


def test_together_is_calibrated_too() -> None:
    rng = np.random.default_rng(3)
    made = [[prepared(rng.standard_normal(s)) for s in ((24, 16), (12, 24), (10, 12, 3))] for _ in range(60)]
    p = [10 ** together([in_place(x, y) for x, y in zip(a, b, strict=True)]).log10_p
         for i, a in enumerate(made) for b in made[:i]]  # fmt: skip
    _calibrated(np.array(p))


def test_variance_is_that_over_permutations() -> None:
    rng = np.random.default_rng(4)
    x, y = prepared(rng.standard_normal((30, 6))), prepared(nets.low_rank(rng, (30, 6)))
    spread = np.std([np.vdot(x, rng.permutation(y)) for _ in range(4000)])
    assert in_place(x, y).m_eff == pytest.approx(1 / spread**2, rel=0.08)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_copies_stand_out(share: float) -> None:
    x = nets.net(5)["conv2.weight"]
    y = nets.noisy({"x": x}, share)["x"]
    assert _p(x, y) < -100
    assert _p(x, y) == pytest.approx(_p(y, x))


def test_scales_of_units_and_common_shifts_change_nothing() -> None:
    rng = np.random.default_rng(6)
    x = rng.standard_normal((40, 30))
    y = x * rng.uniform(0.1, 10, (40, 1)) * rng.uniform(0.1, 10, (1, 30))
    assert in_place(prepared(x), prepared(y)).cosine > 0.9
    assert abs(in_place(prepared(x), prepared(-x)).cosine + 1) < 1e-9


def test_degenerate_arrays_are_no_evidence() -> None:
    for x in (np.zeros((20, 10)), np.ones((20, 10)), np.ones((20, 1)) * np.arange(10)):
        assert _p(x, np.random.default_rng(0).standard_normal((20, 10))) > -2
        assert math.isfinite(_p(x, x))


def test_the_p_value_is_uniform_enough_to_be_called_one() -> None:
    rng = np.random.default_rng(7)
    p = [10 ** _p(rng.standard_normal((40, 30)), rng.standard_normal((40, 30))) for _ in range(1500)]
    assert stats.kstest(p, "uniform").statistic < 0.08
