"""What probabilities say of a pattern, where the suspect gives them: how far it leans to every class.

A copy that was trained on for long, or marked again by a thief, may no longer answer a trigger with its target and yet
find the target a hundred times as likely as without the pattern. The scores here are to probabilities what hits are to
labels, and the same exact test takes them (whosenet.judging.chance): which of the patterns are the key's, and to which
classes they lead, is as open to a model made without the key whatever is read off its answers, so long as all patterns
and all classes are read alike.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from whosenet.judging.chance import Counts

FLOOR = 1e-3
"""Probabilities below are as good as none: many services round to three digits."""
LEVELS = 200
"""Steps of a score: fine enough to lose nothing, coarse enough to sum exactly."""
LEAST_SPREAD = 0.25
"""A class is measured by its own spread over the patterns, but not by less than this share of all classes' spread."""


def scores(said: NDArray[np.int64], shown: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> Counts:
    """int64 [patterns, classes] in 0..LEVELS: how far a pattern moves the suspect to a class, covers of it left out.

    `said` and `labels` are [patterns, questions], `shown` [patterns, questions, classes] probabilities; where they are
    hidden (NaN) the label counts as sure. A score is the mean logarithm, from the mean over all patterns, in spreads of
    its class.
    """
    logs = np.log(np.clip(_known(said, shown, classes), FLOOR, 1.0))
    counted = labels[:, :, None] != np.arange(classes)
    mean = (logs * counted).sum(1) / np.maximum(counted.sum(1), 1)
    moved = mean - mean.mean(0)
    spread = moved.std(0)
    moved /= np.maximum(np.maximum(spread, LEAST_SPREAD * math.sqrt(float((spread**2).mean()))), 1e-9)
    low, high = float(moved.min()), float(moved.max())
    return np.asarray(np.round((moved - low) * (LEVELS / max(high - low, 1e-9))), np.int64)


def _known(said: NDArray[np.int64], shown: NDArray[np.float32], classes: int) -> NDArray[np.float64]:
    """Probabilities, and certainty of the label where there are none; no answer speaks for no class.

    With the six digits that a transcript keeps, so that it is judged the same ever after.
    """
    sure = (said[:, :, None] == np.arange(classes)).astype(np.float64)
    return np.where(np.isfinite(shown), np.char.mod("%.6g", shown.astype(np.float64)).astype(np.float64), sure)
