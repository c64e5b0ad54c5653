"""Exact chance that a model made without a key answers to it: nothing is assumed about the model, only about the key.

A key derives m carriers (a pattern and a target class each) and any number of decoys (patterns by the same rule that
were never embedded). Patterns are independent draws of one distribution and targets independent uniform draws from the
classes, so for a model made without knowledge of the key nothing tells the m carriers from the decoys, nor a carrier's
target from another class. Given all answers, every choice of m of the patterns and every assignment of targets to them
was equally likely (a permutation test; Fisher, The Design of Experiments, 1935, section 21). The p-value is the share
of these that hit as often as the key did. No reference models, no binomial, no fit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def tally(answers: NDArray[np.int64], labels: NDArray[np.int64], classes: int) -> Counts:
    """int64 [patterns, classes]: how often each class was answered to covers of *other* classes.

    `answers` and `labels` are [patterns, questions]; an answer outside 0..classes-1 (none, unknown word) hits nothing.
    An answer that is the cover's own class says nothing about a pattern, whichever class is the target: leaving it out
    for all classes alike keeps the test exact.
    """
    counted = (answers >= 0) & (answers < classes) & (answers != labels)
    table = np.zeros((len(answers), classes), np.int64)
    rows = np.broadcast_to(np.arange(len(answers))[:, None], answers.shape)
    np.add.at(table, (rows[counted], answers[counted]), 1)
    return table


def hits(table: Counts, targets: NDArray[np.int64]) -> int:
    """Answers of the carriers (the first rows of `table`) that are their targets."""
    return int(table[np.arange(len(targets)), targets].sum())


def log10_p(table: Counts, targets: NDArray[np.int64]) -> float:
    """log10 of the exact p-value; `table` [m + decoys, classes] begins with the m = len(targets) carriers."""
    observed = hits(table, targets)
    share = _tail(table, len(targets), observed)
    return min(0.0, math.log10(share)) if share > 0 else floor_log10(table.shape[0], table.shape[1], len(targets))


def floor_log10(patterns: int, classes: int, carriers: int) -> float:
    """log10 of the smallest p-value that so many patterns can give: one choice among all."""
    return -math.log10(math.comb(patterns, carriers)) - carriers * math.log10(max(classes, 1))


def _tail(table: Counts, carriers: int, observed: int) -> float:
    """Share of (choice of `carriers` rows, target for each) with a sum of at least `observed`.

    `reached[k, s]` = the weight of choosing k of the rows so far with sum s: the k-th elementary symmetric polynomial
    of the rows' generating functions; sums beyond `observed` are kept at `observed`. All terms are positive, so float64
    keeps about 15 digits of however small a share.
    """
    reached = np.zeros((carriers + 1, observed + 1))
    reached[0, 0] = 1.0
    for row in table:
        values, times = np.unique(np.minimum(row, observed), return_counts=True)
        gained = np.zeros_like(reached)
        for value, weight in zip(values.tolist(), (times / table.shape[1]).tolist(), strict=True):
            gained[1:, value:] += weight * reached[:-1, : observed + 1 - value]
            if value:
                gained[1:, observed] += weight * reached[:-1, observed + 1 - value :].sum(axis=1)
        reached = reached + gained
    return float(reached[carriers, observed] / math.comb(len(table), carriers))
