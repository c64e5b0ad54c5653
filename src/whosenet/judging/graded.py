"""What probabilities say of a pattern, where the suspect gives them: how far it leans to every class.

A copy that was trained on for long, or marked again by a thief, may no longer answer a trigger with its target and yet
find the target a hundred times as likely as without the pattern. The scores here are to probabilities what hits are to
labels, and the same exact test takes them (whosenet.judging.chance): which of the patterns are the key's, and to which
classes they lead, is as open to a model made without the key whatever is read off its answers, so long as all patterns
and all classes are read alike.

Logarithms are whole numbers before anything is added up, so that neither the order of the patterns nor another machine
changes a score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from whosenet.judging.chance import Counts

FLOOR = 1e-3
"""Probabilities below are as good as none: many services round to three digits."""
FINE = 1e4
"""Steps of a logarithm."""
LEVELS = 200
"""Steps of a score: fine enough to lose nothing, coarse enough to sum exactly."""
LEAST_SPREAD = 0.25
"""A class is measured by its own spread over the patterns, but not by less than this share of all classes' spread."""
STILL = 10
"""A suspect whose answers no pattern moves by more than so many steps of a logarithm is not moved at all."""


def scores(said: NDArray[np.int64], shown: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> Counts:
    """int64 [patterns, classes] in 0..LEVELS: how far a pattern moves the suspect to a class, covers of it left out.

    `said` and `labels` are [patterns, questions], `shown` [patterns, questions, classes] probabilities; where they are
    hidden (NaN) the label counts as sure. A score is the mean logarithm, from the mean over all patterns, in spreads of
    its class.
    """
    mean, known = (np.stack(part) for part in zip(*map(_leaning, said, shown, labels), strict=True))
    centre = np.rint((mean * known).sum(0) / np.maximum(known.sum(0), 1))
    moved = np.where(known, mean - centre, 0.0)
    if moved.max() - moved.min() <= STILL:
        return np.zeros((len(moved), classes), np.int64)
    square = (moved**2).sum(0) / len(moved)
    moved = moved / np.sqrt(np.maximum(np.maximum(square, LEAST_SPREAD**2 * square.mean()), 1.0))
    low, high = moved.min(), moved.max()
    return np.asarray(np.rint((moved - low) * (LEVELS / (high - low))), np.int64)


def _leaning(
    said: NDArray[np.int64], shown: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of one pattern: mean logarithms [classes] in whole steps, and whether any cover counts for the class."""
    classes = np.arange(shown.shape[1])
    sure = (said[:, None] == classes).astype(np.float64)
    logs = np.rint(FINE * np.log(np.clip(np.where(np.isfinite(shown), shown, sure), FLOOR, 1.0)))
    counted = labels[:, None] != classes
    times = counted.sum(0)
    return np.rint((logs * counted).sum(0) / np.maximum(times, 1)), times > 0
