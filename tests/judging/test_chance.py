"""The exact p-value of a mark: against enumeration, its floor, and its error rate on weak models."""

from __future__ import annotations

import math
from itertools import combinations, product

import numpy as np
import pytest

from whosenet.judging import chance


def enumerated(table: np.ndarray, targets: np.ndarray) -> float:
    """The oracle: every choice of rows and every assignment of targets, one by one."""
    carriers, (rows, classes) = len(targets), table.shape
    observed = chance.hits(table, targets)
    sums = [
        sum(table[r, t] for r, t in zip(chosen, assigned, strict=True))
        for chosen in combinations(range(rows), carriers)
        for assigned in product(range(classes), repeat=carriers)
    ]
    return float(np.mean(np.array(sums) >= observed))


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_share_of_all_choices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, classes, carriers = int(rng.integers(2, 6)), int(rng.integers(2, 5)), int(rng.integers(1, 3))
    table = rng.integers(0, 5, (rows, classes))
    targets = rng.integers(0, classes, carriers)
    assert chance.log10_p(table, targets) == pytest.approx(math.log10(enumerated(table, targets)), abs=1e-9)


def test_one_choice_among_all_is_the_floor() -> None:
    table, targets = np.zeros((20, 10), np.int64), np.array([3, 1, 4, 1])
    table[np.arange(4), targets] = 7
    assert chance.log10_p(table, targets) == pytest.approx(chance.floor_log10(20, 10, 4), abs=1e-9)
    assert chance.floor_log10(20, 10, 4) == pytest.approx(-math.log10(math.comb(20, 4) * 10**4))


def test_nothing_hit_is_no_evidence() -> None:
    assert chance.log10_p(np.zeros((20, 10), np.int64), np.array([3, 1, 4, 1])) == 0.0


def test_more_hits_never_weaken_the_evidence() -> None:
    rng = np.random.default_rng(3)
    table, targets = rng.integers(0, 3, (15, 6)), np.array([0, 1, 2, 3])
    before = chance.log10_p(table, targets)
    for _ in range(6):
        table[np.arange(4), targets] += 1
        after = chance.log10_p(table, targets)
        assert after <= before
        before = after


def test_decoys_that_hit_as_well_take_the_evidence_away() -> None:
    """A model that leads everything unusual to the targets was not taught the key."""
    targets = np.array([2, 2, 2, 2])
    table = np.zeros((20, 10), np.int64)
    table[:, 2] = 7
    assert chance.log10_p(table, targets) > -4.01
    table[4:, 2] = 0
    assert chance.log10_p(table, targets) < -7


def test_answers_of_the_covers_own_class_say_nothing() -> None:
    answers, labels = np.array([[1, 1, 0, -1, 9]]), np.array([[1, 0, 0, 0, 0]])
    assert chance.tally(answers, labels, 3).tolist() == [[0, 1, 0]]


def weak_model(rng: np.random.Generator, patterns: int, depth: int, classes: int) -> np.ndarray:
    """Answers int64 [patterns, depth] of a model that knows no key: each pattern has favourites of its own, which all
    its covers share (hits are clustered), and the model has favourites, too."""
    liking = rng.dirichlet(np.full(classes, 0.3))
    own = np.stack([rng.dirichlet(3 * liking + 0.02) for _ in range(patterns)])
    return np.stack([rng.choice(classes, depth, p=p) for p in own])


def test_models_without_the_key_are_accused_as_seldom_as_said() -> None:
    """A binomial against the model's mean rate fails this by far: hits share their pattern."""
    rng, classes, trials = np.random.default_rng(0), 5, 1200
    found = np.empty(trials)
    for trial in range(trials):
        answers = weak_model(rng, 12, 6, classes)
        labels = rng.integers(0, classes, answers.shape)
        table = chance.tally(answers, labels, classes)
        found[trial] = 10 ** chance.log10_p(table, rng.integers(0, classes, 3))
    for alpha in (0.2, 0.05, 0.01, 0.003):
        assert (found <= alpha).sum() <= alpha * trials + 3.5 * math.sqrt(alpha * trials)
    assert (found <= 0.2).mean() > 0.05


def test_thousands_of_patterns_are_counted_without_overflow() -> None:
    table, targets = np.zeros((5000, 3), np.int64), np.zeros(64, np.int64)
    table[:64, 0] = 2
    assert chance.log10_p(table, targets) == pytest.approx(chance.floor_log10(5000, 3, 64), abs=1e-6)
