"""Worlds whose truth is known: families of honest models that differ, and points that differ.

A model of a family agrees with the owner on a point with probability logistic(ability + difficulty of the point). Points
may hang together (several made from one image): then a model has luck of its own on each bunch of them.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

Random = np.random.Generator
HARD = 1.2
"""Standard deviation of the points' difficulties, on the logit scale."""


@dataclass(frozen=True)
class Family:
    """So large a share of the honest models, with such an ability (logit of the agreement on a middling point)."""

    share: float
    mean: float
    spread: float


@dataclass(frozen=True)
class World:
    families: tuple[Family, ...]
    bunch: int = 1
    """So many points in a row share a model's luck."""
    luck: float = 0.0

    def draw(self, r: Random, models: int, points: int) -> tuple[np.ndarray, np.ndarray]:
        """Family of each model int [m], and bool [m, n]: on which points it agrees. Points' difficulties are drawn, too."""
        return self.answer(r, models, r.normal(0, HARD, points))

    def answer(self, r: Random, models: int, difficulty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        which = r.choice(len(self.families), models, p=[f.share for f in self.families])
        mean, spread = (np.array([getattr(f, a) for f in self.families])[which] for a in ("mean", "spread"))
        ability = mean + spread * r.normal(size=models)
        bunches = -(-len(difficulty) // self.bunch)
        luck = np.repeat(self.luck * r.normal(size=(models, bunches)), self.bunch, axis=1)[:, : len(difficulty)]
        return which, r.random((models, len(difficulty))) < special.expit(ability[:, None] + difficulty + luck)


def one(mean: float, spread: float, bunch: int = 1, luck: float = 0.0) -> World:
    return World((Family(1.0, mean, spread),), bunch, luck)


def several(*families: tuple[float, float, float]) -> World:
    return World(tuple(Family(*f) for f in families))


DEVELOPMENT = {
    "one family, 0.27, hardly any spread": one(-1.1, 0.05),
    "one family, 0.24, spread 0.3": one(-1.4, 0.3),
    "one family, 0.50, spread 0.5": one(0, 0.5),
    "one family, 0.40, spread 1": one(-0.5, 1),
    "one family, 0.17, spread 0.8": one(-2, 0.8),
    "two families, half each": several((0.5, -0.8, 0.25), (0.5, 0.8, 0.25)),
    "two families, 3 in 10 nearer": several((0.7, -0.4, 0.25), (0.3, 0.8, 0.25)),
    "siblings near the owner, 3 in 10": several((0.7, -3, 0.6), (0.3, 3, 0.5)),
    "points in bunches of 3": one(-0.8, 0.3, bunch=3, luck=1.5),
}
"""The prior's sharpness and the width of kin were chosen on these."""
REPORT = {
    "one family, 0.33, hardly any spread": one(-0.8, 0.1),
    "one family, 0.10, spread 0.5": one(-2.6, 0.5),
    "one family, 0.30, spread 0.4": one(-1, 0.4),
    "one family, 0.46, spread 0.6": one(-0.2, 0.6),
    "one family, 0.68, spread 0.7": one(0.8, 0.7),
    "two families, 4 in 10 nearer": several((0.6, -1.4, 0.3), (0.4, 0.3, 0.3)),
    "three families (architectures)": several((0.4, -1.2, 0.3), (0.35, -0.4, 0.3), (0.25, 0.4, 0.3)),
    "siblings near the owner, half": several((0.5, -2.5, 0.5), (0.5, 2.5, 0.5)),
    "weak nets, 3 in 10": several((0.3, -3, 0.5), (0.7, -0.6, 0.4)),
    "points in bunches of 5": one(-0.5, 0.4, bunch=5, luck=1.0),
}
RARE = {
    "siblings near the owner, 1 in 10": several((0.9, -2.8, 0.5), (0.1, 2.8, 0.5)),
    "siblings half-way, 1 in 5": several((0.8, -2.5, 0.5), (0.2, 0.4, 0.3)),
    "a nearer family, 1 in 20": several((0.95, -0.3, 0.3), (0.05, 1.6, 0.3)),
}
"""What is promised does not hold here: a kind of honest model that the references may hold none of."""
KINDS = {"development": DEVELOPMENT, "report": REPORT, "a rare kind": RARE}
