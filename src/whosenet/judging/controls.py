"""Control images, clean and with known answers, tell a broken suspect from an innocent one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from whosenet import thresholds
from whosenet.judging import predictive, scores
from whosenet.questions.evidence import Evidence


@dataclass(frozen=True)
class Controls:
    """How the suspect did on the controls."""

    right: int
    asked: int
    expected: float
    """Honest references' mean share of right answers."""
    broken: bool
    doubtful: bool = False
    """Not broken for certain, but too few right to clear the suspect."""

    @property
    def accuracy(self) -> float | None:
        return self.right / self.asked if self.asked else None


def check(evidence: Evidence) -> Controls:
    """Broken: so few right that at most BROKEN_P of honest models would do as badly, or no more than a guesser gets
    (a missing answer is wrong). Doubtful: the same with DOUBTFUL_P."""
    part = evidence.take(evidence.control)
    n = len(part)
    if n == 0:
        return Controls(0, 0, 1.0, broken=False)
    right = int(scores.agreements(part.suspect.labels, part.expected))
    honest = scores.agreements(part.references.labels, part.expected)
    share = float(np.mean(honest) / n) if len(honest) else 1.0
    log_p = predictive.log_at_most(right, honest, n)
    fewer, guessed = right / n < share, right <= n / evidence.classes
    broken, doubtful = (fewer and log_p <= np.log(level) for level in (thresholds.BROKEN_P, thresholds.DOUBTFUL_P))
    return Controls(right, n, share, broken=bool(broken or (fewer and guessed)), doubtful=bool(doubtful))
