"""Which candidates become points, which clean images become controls, and in what order they are asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import UsageError
from whosenet.networks.images import Images, Pixels, image_digest
from whosenet.networks.predict import softmax
from whosenet.questions.answers import Labels, Matrix
from whosenet.questions.queryset import Yardstick

Rows = NDArray[np.int64]
WORSE = 2.0
"""Points by which a network must be worse than another to have e times its say."""
SURE = 0.5
"""A control's known answer should have at least this probability from everybody who chooses."""
YARDSTICK, YARDSTICK_BYTES = 1000, 1 << 26


def controls(images: Images, said: Sequence[Matrix], count: int) -> tuple[Images, Rows]:
    """`count` clean images (and their rows) that the owner's model, logits said[0] [n, k], gets right and the most of
    the others, too, the surest first; classes take turns. Raises UsageError if the owner gets too few right.

    Where nets are weak their controls are, too: the judge compares a suspect with what honest nets make of them.
    """
    agree = np.stack([s.argmax(1) == images.y for s in said])
    given = np.stack([softmax(s)[np.arange(len(images)), images.y] for s in said])
    right = np.flatnonzero(agree[0])
    if len(right) < count:
        raise UsageError(
            f"the owner's network gets only {len(right)} of {len(images)} images right, {count} are needed as "
            "controls; do images, labels and network belong together?"
        )
    poor = 10 * (~agree).mean(0) + (given < SURE).mean(0) + 1 - given.min(0)
    rows = right[balanced(images.y[right], poor[right], count)]
    return images.take(rows), rows


def yardstick(images: Images, seed: int) -> Yardstick:
    """YARDSTICK clean images (fewer where there are fewer, or they are large), by lot: on these honest references are
    compared with the owner's model."""
    count = min(YARDSTICK, max(YARDSTICK_BYTES // images.x[0].nbytes, 1), len(images))
    rows = np.random.default_rng([seed, 0x636C65616E]).permutation(len(images))[:count]
    return Yardstick(np.ascontiguousarray(images.x[rows]), images.y[rows])


def distinct(x: Pixels) -> Pixels:
    """Every image once, in the order of its first appearance."""
    first = {image_digest(image): i for i, image in reversed(list(enumerate(x)))}
    return x[sorted(first.values())]


def by_contrast(said: Labels, references: Matrix, copies: Matrix) -> NDArray[np.float64]:
    """Rank 0 ... n-1 of each candidate [n] (lower is better) labelled `said` [n] by the owner, given the probabilities
    of references [m, n, k] and of copies [c, n, k].

    Points are taken one by one. A network's say in the next one grows with how far it is from where it should be: the
    reference that agreed with the points so far most, the copy that agreed least. So it is the worst pair that the
    points tell apart, where a mean would sacrifice a few networks of a kind of their own.
    """
    against, inside = (_agreement(said, stack) for stack in (references, copies))
    far, near = np.zeros(len(against)), np.zeros(len(inside))
    rank, left = np.zeros(len(said)), np.ones(len(said), bool)
    for turn in range(len(said)):
        gain = _weights(-near) @ inside - _weights(far) @ against
        row = int(np.where(left, gain, -np.inf).argmax())
        rank[row], left[row] = turn, False
        far, near = far + against[:, row], near + inside[:, row]
    return rank


def _agreement(said: Labels, stack: Matrix) -> NDArray[np.float64]:
    """float64 [m, n] in 0..1: half for the owner's label, half for the probability given to it."""
    if not len(stack):
        return np.zeros((0, len(said)))
    given = stack[:, np.arange(len(said)), said].astype(np.float64)
    return np.asarray((given + (stack.argmax(2) == said)) / 2)


def _weights(worse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the say: exponential in how many points a network is worse than the others."""
    if not len(worse):
        return worse
    heat = np.exp((worse - worse.max()) / WORSE)
    return np.asarray(heat / heat.sum())


def balanced(classes: Labels, rank: NDArray[np.floating], count: int) -> Rows:
    """`count` rows, lowest rank first within a class, the classes taking turns (who has the lowest rank begins)."""
    order = np.lexsort((np.arange(len(rank)), rank))
    turn = np.zeros(len(rank), np.int64)
    seen: dict[int, int] = {}
    for row in order:
        turn[row] = seen.get(int(classes[row]), 0)
        seen[int(classes[row])] = int(turn[row]) + 1
    return np.lexsort((np.arange(len(rank)), rank, turn))[:count]


def interleaved(points: Rows, controls: int) -> Rows:
    """Controls (rows 0..controls-1) spread evenly among the points (rows from `controls` on), one of them first."""
    total = len(points) + controls
    places = np.arange(controls) * total // controls
    order = np.empty(total, np.int64)
    order[places] = np.arange(controls)
    order[np.setdiff1d(np.arange(total), places)] = points + controls
    return order
