"""Stopping early without losing alpha.

The answers so far are judged at fixed looks (after 5, 8, 12 ... points) and nowhere else. A look's p-value is the fixed
test's on the points up to it, for which references and suspect answered the very same questions, so their order and
difficulty do not matter. Each look owns a share w of alpha and the shares sum to one; then
    P(some look has p <= alpha * w) <= alpha
whatever the rule for stopping and whoever stops, and min(p / w) is a p-value at any stopping time. In the language of
bets (Vovk and Wang, Annals of Statistics 2021) the sum over the looks of [p <= alpha w] / alpha is an e-process that
stakes all or nothing at each look. It assumes what the fixed test does and no more.

A bet after every single question against a Rasch model of the references was tried in its place: as quick with 20
references, and far weaker with 12, since it has to learn each question's difficulty from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, takewhile

from whosenet import thresholds
from whosenet.judging import population
from whosenet.judging.independence import independence_p
from whosenet.questions.answers import Answers, Stack
from whosenet.questions.evidence import Evidence
from whosenet.questions.queryset import QuerySet

LOOKS = (5, 8, 12, 15, 18, 22, 26, 31, 38, 45, 54, 64, 76, 90)
"""Points after which the suspect is looked at as an honest model; sets of 20, 50 and 100 questions end on one."""
CLEARING = (18, 45, 90)
"""Points after which it is looked at as a copy: copies are few, so that there is little to share."""
GROWTH = 1.2
"""Later looks, in far larger sets, follow so much further on each time."""


@dataclass(frozen=True)
class Anytime:
    """p-values that hold at any stopping time."""

    log_p: float
    """Natural log; 0 or less. H0: drawn like the references."""
    independence_p: float | None
    """H0: drawn like the owner's copies; None without copies or before the first look."""
    conformal_p: float
    """Of the look that decides."""
    look: int
    """Points up to the look with the smallest p; 0 before the first."""


def looks(points: int, first: tuple[int, ...] = LOOKS) -> list[tuple[int, float]]:
    """(points, share of alpha) of every look up to so many points."""
    return list(takewhile(lambda look: look[0] <= points, _all_looks(first)))


def _all_looks(first: tuple[int, ...]) -> Iterator[tuple[int, float]]:
    """`first` with an equal share each; all later ones divide one more share among them."""
    share, n = 1 / (len(first) + 1), first[-1]
    yield from ((n, share) for n in first)
    for i in count(1):
        n = math.ceil(n * GROWTH)
        yield n, share / (i * (i + 1))


def anytime(points: Evidence) -> Anytime:
    """From the points in the order they were asked (no controls), by labels."""
    best = Anytime(0.0, None, 1.0, 0)
    for n, share in looks(len(points)):
        scored = population.by_label(points.take(slice(0, n)))
        if scored is not None:
            log_p = min(scored.log_as_reference() - math.log(share), 0.0)
            if best.look == 0 or log_p < best.log_p:
                best = Anytime(log_p, None, scored.conformal_p(), n)
    return replace(best, independence_p=_as_copy(points))


def _as_copy(points: Evidence) -> float | None:
    """The smallest chance among the owner's copies over the looks of CLEARING."""
    found = []
    for n, share in looks(len(points), CLEARING):
        scored = population.by_label(points.take(slice(0, n)))
        chance = independence_p(scored) if scored else None
        if chance is not None:
            found.append(min(chance / share, 1.0))
    return min(found, default=None)


class Sequential:
    """Says after each batch whether the probe may stop: the answers so far, judged in the same way, give a verdict.

    At least MIN_CONTROLS control images must have been answered before, if the set has them.
    """

    def __init__(self, questions: QuerySet, null: Stack, *, alpha: float) -> None:
        self._questions, self._null, self._alpha = questions, null, alpha

    def __call__(self, answers: Answers) -> bool:
        """True to stop. `answers`: to the first len(answers) questions, in order."""
        from whosenet.judging.verdict import judge

        rows = slice(0, len(answers))
        asked = self._questions.control[rows]
        if asked.sum() < min(thresholds.MIN_CONTROLS, int(self._questions.control.sum())):
            return False
        evidence = Evidence(
            self._questions.expected[rows], self._questions.probabilities[rows], asked, answers,
            self._null.take(rows), self._questions.copies.take(rows), self._questions.score,
            self._questions.kind,
        )  # fmt: skip
        return judge(evidence, alpha=self._alpha, sequential=True).verdict != "inconclusive"
