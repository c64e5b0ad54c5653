from __future__ import annotations

import math

import numpy as np
import pytest

from whosenet.judging import location, predictive


def test_tails_are_probabilities_and_meet():
    counts, n = np.array([20, 25, 30, 28, 22, 24, 31, 19, 26, 27]), 50
    for k in (0, 10, 25, 40, 50):
        up, below = math.exp(predictive.log_at_least(k, counts, n)), math.exp(predictive.log_at_most(k - 1, counts, n))
        assert 1 - 1e-9 <= up + below < 1.05  # the upper tail is rounded up by the chance of kin
    tails = [predictive.log_at_least(k, counts, n) for k in range(n + 1)]
    assert all(a >= b for a, b in zip(tails, tails[1:], strict=False))


def test_symmetric_in_agreement_and_disagreement():
    counts, n = np.array([12, 15, 9, 14, 13]), 40
    assert predictive.log_at_least(35, counts, n) == pytest.approx(predictive.log_at_most(5, n - counts, n), abs=1e-9)


def test_unequal_references_make_the_null_wider():
    equal, unequal = np.full(12, 30), np.array([10, 50] * 6)
    assert predictive.log_at_least(58, unequal, 60) > predictive.log_at_least(58, equal, 60) + math.log(100)


def test_more_references_make_it_narrower():
    few, many = np.array([24, 28, 32, 36]), np.array([24, 28, 32, 36] * 5)
    assert predictive.log_at_least(58, many, 60) < predictive.log_at_least(58, few, 60) - math.log(5)


def test_never_as_sure_as_a_binomial():
    from scipy import stats

    counts = np.full(12, 30)
    assert predictive.log_at_least(57, counts, 60) > stats.binom.logsf(56, 60, 0.5)


def test_very_small_chances_stay_apart():
    counts, n = np.tile(np.arange(80, 120), 5), 2000
    first, second = predictive.log_at_least(1500, counts, n), predictive.log_at_least(1900, counts, n)
    assert -1e9 < second < first < -30


def test_without_references_it_is_the_prior():
    assert math.exp(predictive.log_at_least(50, np.array([], np.int64), 100)) == pytest.approx(0.5, abs=0.01)


def test_one_reference_near_the_owner_is_a_family():
    """Far from all others, it would vanish in one common spread; its kin must not be accused."""
    counts = np.array([30, 31, 32, 33, 34, 35, 36] * 4 + [80])
    assert predictive.log_at_least(82, counts, 90) > math.log(0.005)
    assert predictive.log_at_least(82, counts, 90, families=False) < math.log(0.002)


def test_one_family_pays_little_for_kin():
    counts = np.array([15, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 30])
    wide, one = (predictive.log_at_least(54, counts, 90, families=f) for f in (True, False))
    assert one <= wide < one + 0.5 < math.log(1e-3)


def test_the_nearest_kind_is_judged_by_its_own_and_not_by_the_distant_many():
    """Six of the owner's architecture among forty-eight: one more, a little nearer than they are, is no copy."""
    counts = np.concatenate([np.arange(50, 62, 2), np.tile(np.arange(15, 29), 3)])
    assert predictive.log_at_least(66, counts, 90) > math.log(0.01)
    assert predictive.log_at_least(66, counts, 90, families=False) < math.log(0.002)


def test_order_does_not_matter():
    counts = np.array([3, 9, 4, 7])
    assert predictive.log_at_least(10, counts, 12) == predictive.log_at_least(10, counts[::-1], 12)


def test_location_is_a_t_on_the_logit_scale():
    from scipy import special, stats

    others = special.expit(np.array([-1.0, 0.0, 1.0, 2.0, -2.0]))
    z = (3.0 - 0.0) / (np.hypot(np.std([-1, 0, 1, 2, -2], ddof=1), location.LEAST_SPREAD) * np.sqrt(1.2))
    assert location.log_at_least(float(special.expit(3.0)), others) == pytest.approx(stats.t.logsf(z, 4))


def test_location_is_finite_at_the_edges_and_silent_with_one_model():
    assert np.isfinite(location.log_at_least(1.0, np.zeros(12)))
    assert location.log_at_least(1.0, np.array([0.5])) == 0.0
    assert location.log_at_most(0.2, np.array([0.5, 0.6, 0.4])) < location.log_at_most(0.45, np.array([0.5, 0.6, 0.4]))
