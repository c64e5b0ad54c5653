"""Under 'drawn like the references' a p-value at most alpha comes in at most a share alpha of the worlds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from whosenet.judging import predictive
from whosenet.judging.sequential import looks

WORLDS = {
    "beta": lambda r, m: special.logit(r.beta(8, 8, m)),
    "logit-normal": lambda r, m: r.normal(0.2, 0.5, m),
    "two groups": lambda r, m: np.where(r.random(m) < 0.5, -0.8, 0.8) + r.normal(0, 0.25, m),
    "all alike": lambda r, m: np.full(m, 0.4),
}


def agreement(r: np.random.Generator, world: str, models: int, difficulty: np.ndarray) -> np.ndarray:
    """bool [models, n] of a hierarchical world: models differ, and so do points."""
    return r.random((models, len(difficulty))) < special.expit(WORLDS[world](r, models)[:, None] + difficulty)


def false_alarms(world: str, references: int, points: int, alpha: float, draws: int = 40) -> float:
    """Rate of p <= alpha among 20,000 suspects from the references' world, averaged over draws of references."""
    r = np.random.default_rng(5)
    counts = agreement(r, world, 20_000, r.normal(0, 1.2, points)).sum(1)
    share = np.bincount(counts, minlength=points + 1) / len(counts)
    above = share[::-1].cumsum()[::-1]
    rates = []
    for _ in range(draws):
        seen = r.choice(points + 1, references, p=share)
        accused = np.flatnonzero(predictive.log_tails(seen, points) <= np.log(alpha))
        rates.append(above[accused[0]] if len(accused) else 0.0)
    return float(np.mean(rates))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("references", [10, 20])
def test_p_values_hold(world: str, references: int):
    assert false_alarms(world, references, 40, 1e-2) <= 1.2e-2
    assert false_alarms(world, references, 40, 1e-3) <= 1.5e-3


def test_a_plain_binomial_would_not_hold():
    """The measure can fail: with a null that forgets that models differ, strangers are accused at ten times alpha."""
    from scipy import stats

    r = np.random.default_rng(5)
    counts = agreement(r, "logit-normal", 20_000, np.zeros(60)).sum(1)
    p = stats.binom.sf(counts - 1, 60, counts.mean() / 60)
    assert (p <= 1e-3).mean() > 1e-2


@pytest.mark.parametrize("hardest", ["first", "last"])
@pytest.mark.parametrize("world", ["logit-normal", "two groups"])
def test_looking_again_and_again_holds(world: str, hardest: str):
    """However the points are ordered, the smallest p over all looks is at most alpha in at most alpha of the worlds."""
    r = np.random.default_rng(6)
    smallest = []
    for _ in range(25):
        difficulty = np.sort(r.normal(0, 1.2, 45)) * (1 if hardest == "first" else -1)
        references, suspects = (agreement(r, world, m, difficulty).cumsum(1) for m in (12, 400))
        p = np.ones(len(suspects))
        for n, share in looks(45):
            tail = predictive.log_tails(references[:, n - 1], n)
            p = np.minimum(p, np.exp(tail)[suspects[:, n - 1]] / share)
        smallest.append(p)
    found = np.concatenate(smallest)
    assert (found <= 0.05).mean() <= 0.05
    assert (found <= 0.01).mean() <= 0.012


def test_without_sharing_alpha_it_would_not_hold():
    """The measure can fail: the smallest of the looks' p-values, taken as it is, is no p-value."""
    r = np.random.default_rng(6)
    smallest = []
    for _ in range(25):
        references, suspects = (agreement(r, "beta", m, np.zeros(90)).cumsum(1) for m in (40, 200))
        tails = {n: np.exp(predictive.log_tails(references[:, n - 1], n, families=False)) for n, _ in looks(90)}
        smallest.append(np.min([tails[n][suspects[:, n - 1]] for n in tails], axis=0))
    assert (np.concatenate(smallest) <= 0.05).mean() > 0.06
