"""The agreement of orders: exact under the null, indifferent to who asks whom."""

from __future__ import annotations

import math

import numpy as np
import pytest

from whosenet.structure.agreement import Axis, agreements, families, log10_e, log10_evidence


def shuffled(draw: np.random.Generator, n: int, count: int) -> list[Axis]:
    return [Axis(k, 0, draw.permutation(n)) for k in range(count)]


@pytest.mark.parametrize(("n", "count"), [(4, 2), (12, 3), (32, 6)])
def test_the_evidence_of_chance_has_a_mean_of_at_most_one(n: int, count: int) -> None:
    """An e-value: so P(evidence >= 1 / p) <= p."""
    draw = np.random.default_rng(1)
    values = np.array([10 ** sum(log10_evidence(shuffled(draw, n, count))) for _ in range(4000)])
    assert values.mean() <= 1 + 4 * values.std() / math.sqrt(len(values))
    for level in (0.1, 0.01, 0.001):
        assert np.mean(values >= 1 / level) <= level + 3 * math.sqrt(level / len(values))


def test_units_in_their_own_place_do_not_count() -> None:
    """Classes, inputs and words stand in their own places for everybody."""
    own = np.arange(64)
    assert agreements(Axis(0, 0, own), Axis(1, 0, own)) == (0, 1.0)
    assert sum(log10_evidence([Axis(k, 0, own) for k in range(5)])) <= 0


def test_unmatched_units_do_not_count() -> None:
    none = np.full(64, -1)
    assert agreements(Axis(0, 0, none), Axis(1, 0, none)) == (0, 1.0)


def test_one_order_told_by_many_tensors_is_beyond_chance() -> None:
    draw = np.random.default_rng(2)
    order = draw.permutation(32)
    axes = [Axis(k, k % 2, order) for k in range(4)] + shuffled(draw, 32, 4)
    assert sum(log10_evidence(axes)) > 30
    family = families(axes)
    assert len(set(family[:4])) == 1 and len(set(family)) == 5


def test_axes_of_one_tensor_do_not_testify_for_each_other() -> None:
    order = np.random.default_rng(3).permutation(64)
    assert sum(log10_evidence([Axis(0, 0, order), Axis(0, 1, order)])) == 0


def test_more_agreement_is_more_evidence() -> None:
    values = [log10_e(k, 48) for k in range(49)]
    assert values == sorted(values) and values[0] < 0 < values[-1]
