"""Evidence made from agreement rates: what a judge sees when models agree with the owner so often."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from whosenet.questions.answers import Answers, Kind, Stack
from whosenet.questions.evidence import Evidence

CLASSES = 10
LIKE_OWNER = Kind("the owner's", 0.9)


def answers(agrees: NDArray[np.bool_], expected: NDArray[np.int64], seed: int = 0) -> Answers:
    """Labels that are the owner's exactly where `agrees`, and probabilities to go with them."""
    r = np.random.default_rng(seed)
    wrong = (expected + r.integers(1, CLASSES, len(expected))) % CLASSES
    labels = np.where(agrees, expected, wrong).astype(np.int64)
    probabilities = np.full((len(labels), CLASSES), 0.2 / (CLASSES - 1), np.float32)
    probabilities[np.arange(len(labels)), labels] = 0.8
    return Answers(labels, probabilities)


def stack(agrees: NDArray[np.bool_], expected: NDArray[np.int64], seed: int) -> Stack:
    made = [answers(row, expected, seed * 1000 + i) for i, row in enumerate(agrees)]
    names = tuple(f"{seed}-{i}" for i in range(len(made)))
    labels = np.stack([a.labels for a in made]) if made else np.zeros((0, len(expected)), np.int64)
    shape = (0, len(expected), CLASSES)
    shown = [a.probabilities for a in made if a.probabilities is not None]
    return Stack(names, names, labels, np.stack(shown) if shown else np.zeros(shape, np.float32),
                 (LIKE_OWNER,) * len(made))  # fmt: skip


def evidence(
    suspect: float | NDArray[np.bool_],
    references: Sequence[float],
    copies: Sequence[float] = (1.0, 1.0, 1.0, 0.98, 0.95, 0.95, 0.9, 0.85),
    *,
    points: int = 60,
    controls: int = 6,
    control_accuracy: float = 1.0,
    seed: int = 0,
) -> Evidence:
    """`points` questions and `controls` of them in front; rates are met exactly (to rounding), at random places."""
    r = np.random.default_rng(seed)
    n = points + controls
    expected = r.integers(0, CLASSES, n)
    control = np.arange(n) < controls

    def agrees(rate: float | NDArray[np.bool_], on_controls: float = 1.0) -> NDArray[np.bool_]:
        points_right = r.permutation(np.arange(points) < round(rate * points)) if np.isscalar(rate) else rate
        return np.concatenate([np.arange(controls) < round(on_controls * controls), points_right])

    def kind(rates: Sequence[float]) -> NDArray[np.bool_]:
        return np.array([agrees(rate) for rate in rates]).reshape(len(rates), n)

    owner = answers(np.ones(n, bool), expected).probabilities
    assert owner is not None
    return Evidence(
        expected, owner, control, answers(agrees(suspect, control_accuracy), expected, seed),
        stack(kind(references), expected, 1), stack(kind(copies), expected, 2),
        kind=LIKE_OWNER,
    )  # fmt: skip


def spread(mean: float, width: float, count: int) -> list[float]:
    """`count` rates evenly from mean - width to mean + width."""
    return np.linspace(mean - width, mean + width, count).tolist()
