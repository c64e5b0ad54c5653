"""The score that decides, for the suspect and for the models of a kind, and the chance of it among that kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whosenet.judging import clustering, location, predictive, scores
from whosenet.questions.answers import NO_ANSWER, Stack
from whosenet.questions.evidence import Evidence

NAMES = ("label", "probability", "cluster")
COPIES_SHARPNESS = 0.0
"""Copies are of kinds that the owner chose, weak ones among them, and the weaker half is judged alone, too
(independence.py): their prior need not widen the spread further."""


@dataclass(frozen=True, eq=False)
class Scored:
    """One score of the suspect and of both kinds, over the points."""

    suspect: float
    """0..1."""
    references: NDArray[np.float64]
    copies: NDArray[np.float64]
    points: int = 0
    """Points counted, if the score is a share of agreements; else 0."""
    missing: int = 0
    """Points without a valid answer."""

    def log_as_reference(self) -> float:
        """Natural log of P(one more honest model scores as high)."""
        if self.points:
            return predictive.log_at_least(
                _count(self.suspect, self.points), self._counts(self.references), self.points
            )
        return location.log_at_least(self.suspect, self.references)

    def log_as_copy(self, copies: NDArray[np.float64]) -> float:
        """Natural log of P(one more copy scores as low); what is missing counts as agreement."""
        if self.points:
            most = _count(self.suspect, self.points) + self.missing
            return predictive.log_at_most(most, self._counts(copies), self.points, sharpness=COPIES_SHARPNESS)
        return location.log_at_most(self.suspect, copies)

    def conformal_p(self) -> float:
        return float((1 + (self.references >= self.suspect).sum()) / (1 + len(self.references)))

    def _counts(self, shares: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.rint(shares * self.points).astype(np.int64)


def _count(share: float, points: int) -> int:
    return round(share * points)


def all_scores(points: Evidence) -> dict[str, Scored | None]:
    """Every score of the evidence on the points alone; None where the suspect hides what it needs."""
    return {"label": by_label(points), "probability": by_probability(points), "cluster": by_cluster(points)}


def by_label(points: Evidence) -> Scored | None:
    n = len(points)
    if n == 0:
        return None
    suspect, references, copies = (
        scores.agreements(labels, points.expected) / n
        for labels in (points.suspect.labels, points.references.labels, points.copies.labels)
    )
    missing = int((points.suspect.labels == NO_ANSWER).sum())
    return Scored(float(suspect), references, copies, points=n, missing=missing)


def by_probability(points: Evidence) -> Scored | None:
    """On the points whose probabilities the suspect shows, for everybody."""
    rows = _comparable(points)
    if rows is None or points.suspect.probabilities is None:
        return None
    owner = points.owner[rows]
    suspect = scores.similarity(points.suspect.probabilities[rows], owner)
    references, copies = (_similar(stack, rows, owner) for stack in (points.references, points.copies))
    return Scored(float(suspect), references, copies)


def by_cluster(points: Evidence, algorithm: str = "k-means") -> Scored | None:
    """By probabilities where the suspect shows them, else by labels. Needs at least one reference."""
    if len(points) == 0 or len(points.references) == 0:
        return None
    rows = _comparable(points)
    if rows is not None and points.suspect.probabilities is not None:
        suspect = np.asarray(points.suspect.probabilities[rows], np.float64)
        parts = [points.owner[rows], *points.copies.probabilities[:, rows], *points.references.probabilities[:, rows]]
    else:
        k = points.classes
        suspect = clustering.outputs(points.suspect.labels, k)
        labels = [points.owner.argmax(1), *points.copies.labels, *points.references.labels]
        parts = [clustering.outputs(row, k) for row in labels]
    members = np.stack([*(np.asarray(part, np.float64) for part in parts), suspect])
    owned = 1 + len(points.copies)
    found = clustering.scores(clustering.distances(members), owned, algorithm)
    return Scored(float(found[-1]), found[owned:-1], found[1:owned])


def _comparable(points: Evidence) -> NDArray[np.bool_] | None:
    """The points with probabilities over the owner's classes, if they are enough."""
    said = points.suspect.probabilities
    if said is None or said.shape[1] != points.classes:
        return None
    return scores.shown(said)


def _similar(stack: Stack, rows: NDArray[np.bool_], owner: NDArray[np.float32]) -> NDArray[np.float64]:
    if not len(stack):
        return np.zeros(0)
    return scores.similarity(stack.probabilities[:, rows], owner[None])
