"""Rates in one world: exact for each draw of references, since the honest models' counts are known from thousands."""

from dataclasses import dataclass

import numpy as np

from bench.calibration.worlds import World
from whosenet.judging import predictive
from whosenet.judging.sequential import looks

LEVELS = (0.1, 0.05, 0.01, 0.001)
ALPHA = 1e-3
COPIES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Agreement of copies."""
MODELS = 20_000
SEED = 11


@dataclass(frozen=True)
class Honest:
    """How many of n points honest models agree on."""

    family: np.ndarray
    counts: np.ndarray

    def share(self, threshold: np.ndarray, family: int | None = None) -> np.ndarray:
        """Of models (of one family) that agree on as many points as each threshold says."""
        counts = np.sort(self.counts if family is None else self.counts[self.family == family])
        return 1 - np.searchsorted(counts, threshold) / max(len(counts), 1)


def honest(world: World, points: int) -> Honest:
    """Everybody answers the same points."""
    r = np.random.default_rng([SEED, points])
    difficulty = r.normal(0, 1.2, points)
    parts = [world.answer(r, 2_000, difficulty) for _ in range(MODELS // 2_000)]
    return Honest(np.concatenate([f for f, _ in parts]), np.concatenate([a.sum(1) for _, a in parts]))


def fixed(world: World, references: int, points: int, draws: int) -> dict:
    """Share of honest models with p at most each level, with bounds over draws of references; of those, accused; the
    most accused family among draws in which it has a reference; copies found, by their agreement."""
    known = honest(world, points)
    r = np.random.default_rng([SEED, references, points, 1])
    drawn = [r.choice(MODELS, references, replace=False) for _ in range(draws)]
    tails = [np.exp(predictive.log_tails(known.counts[d], points)) for d in drawn]
    reached = {level: np.array([_first(t <= level) for t in tails]) for level in LEVELS}
    top = np.array([known.counts[d].max() + 1 for d in drawn])
    accusing = np.maximum(reached[ALPHA], top)
    asked = np.rint(np.array(COPIES) * points)
    return {
        "p": {str(level): bounds(known.share(at)) for level, at in reached.items()},
        "accused": bounds(known.share(accusing)),
        "accused of a kind seen": max(_of_kind(known, drawn, accusing, f) for f in range(len(world.families))),
        "found": (accusing[:, None] <= asked).mean(0).tolist(),
    }  # fmt: skip


def _first(there: np.ndarray) -> int:
    """The first count that is reached; one more than all points if none is."""
    return int(there.argmax()) if there.any() else len(there)


def _of_kind(known: Honest, drawn: list[np.ndarray], accusing: np.ndarray, family: int) -> float:
    seen = np.array([(known.family[d] == family).any() for d in drawn])
    return float(known.share(accusing[seen], family).mean()) if seen.any() else 0.0


def bounds(rates: np.ndarray) -> list[float]:
    """Mean and a 95 % interval of it by bootstrap over draws of references."""
    r = np.random.default_rng(SEED)
    means = rates[r.integers(0, len(rates), (1000, len(rates)))].mean(1)
    return [float(rates.mean()), *(float(q) for q in np.quantile(means, [0.025, 0.975]))]


def anytime(world: World, references: int, points: int, draws: int, suspects: int = 400) -> dict:
    """If one may stop at any look: honest models accused, and questions until a copy is found (the median draw)."""
    r = np.random.default_rng([SEED, references, points, 2])
    smallest, needed = [], {rate: [] for rate in COPIES}
    for draw in range(draws):
        hard = np.sort(r.normal(0, 1.2, points)) * (1 if draw % 2 else -1)
        seen, asked = (world.answer(r, m, hard)[1].cumsum(1) for m in (references, suspects))
        copies = {rate: (r.random((1, points)) < rate).cumsum(1) for rate in COPIES}
        p, first = np.ones(suspects), dict.fromkeys(COPIES, np.inf)
        for n, part in looks(points):
            tail = np.exp(predictive.log_tails(seen[:, n - 1], n)) / part
            p = np.minimum(p, tail[asked[:, n - 1]])
            for rate, count in copies.items():
                if tail[count[0, n - 1]] <= ALPHA and count[0, n - 1] > seen[:, n - 1].max():
                    first[rate] = min(first[rate], n)
        smallest.append(p)
        for rate in COPIES:
            needed[rate].append(first[rate])
    found = np.stack(smallest)
    return {
        "p": {str(level): bounds((found <= level).mean(1)) for level in LEVELS},
        "questions": {str(rate): float(np.median(counts)) for rate, counts in needed.items()},
    }
