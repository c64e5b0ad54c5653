"""Which tensor of B to match with which of A, by what no re-ordering, rescaling or turning of signs can change.

Such traits say nothing about where units stand, so this choice costs the test nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from whosenet.hashes.canonical import Shape, canonical
from whosenet.structure.view import Array, balanced, blocks, comparable, numbers
from whosenet.weights.base import Tensor

QUANTILES = 33
MAX_GRAM = 1_024
MOST_ALIKE = 256
"""Tensors of one shape that are told apart by content; further ones are paired by name only."""
FAR = 1e9
THIN = 16
"""Positions along an axis by which tensors stored twice are recognised."""
TWICE = 0.3
"""Two tensors of one model more alike than this are one and its moving average, or one stored twice."""


def by_shape(tensors: Sequence[Tensor]) -> dict[Shape, list[Tensor]]:
    groups: dict[Shape, list[Tensor]] = defaultdict(list)
    for tensor in tensors:
        groups[canonical(tensor.shape).shape].append(tensor)
    return dict(groups)


def named(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Pairs of one name and canonical shape; a shape that each side has once is paired whatever the name."""
    theirs, ours = by_shape(b), by_shape(a)
    pairs = []
    for shape, group in ours.items():
        others = theirs.get(shape, [])
        if len(group) == len(others) == 1:
            pairs.append((group[0], others[0]))
            continue
        known = {t.name: t for t in others}
        pairs += [(t, known[t.name]) for t in group if t.name in known]
    return pairs


def alike(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Within each canonical shape the assignment with the nearest invariant traits."""
    theirs = by_shape(b)
    pairs = []
    for shape, group in by_shape(a).items():
        ours, others = group[:MOST_ALIKE], theirs.get(shape, [])[:MOST_ALIKE]
        if len(ours) == len(others) == 1:
            pairs.append((ours[0], others[0]))
        elif others:
            pairs += _nearest(ours, others)
    return pairs


def wider(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Tensors of other widths: by name where the names agree, the others by invariant traits."""
    known = {t.name: t for t in b}
    pairs = [(t, known[t.name]) for t in a if t.name in known and _fits(t, known[t.name])]
    ours, theirs = {id(x) for x, _ in pairs}, {id(y) for _, y in pairs}
    left = [t for t in a if id(t) not in ours][:MOST_ALIKE]
    right = [t for t in b if id(t) not in theirs][:MOST_ALIKE]
    if not any(_fits(x, y) for x in left for y in right):
        return pairs
    left = [x for x in left if any(_fits(x, y) for y in right)]
    right = [y for y in right if any(_fits(x, y) for x in left)]
    return pairs + [(x, y) for x, y in _nearest(left, right) if _fits(x, y)]


def _fits(x: Tensor, y: Tensor) -> bool:
    return comparable(canonical(x.shape).shape, canonical(y.shape).shape)


def _nearest(ours: list[Tensor], others: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    from scipy.optimize import linear_sum_assignment  # a quarter of a second that other verbs need not wait

    left, right = (np.stack([traits(t) for t in side]) for side in (ours, others))
    spread = np.maximum(np.concatenate([left, right]).std(axis=0), 1e-9)
    distance = np.linalg.norm((left[:, None] - right[None]) / spread, axis=2)
    shapes = [[canonical(t.shape).shape for t in side] for side in (ours, others)]
    distance += FAR * np.array([[x != y and not comparable(x, y) for y in shapes[1]] for x in shapes[0]])
    rows, columns = linear_sum_assignment(distance)
    return [(ours[i], others[j]) for i, j in zip(rows, columns, strict=True)]


def traits(tensor: Tensor) -> NDArray[np.float64]:
    """Quantiles of the sizes of the balanced numbers, and the first moments of the spectrum."""
    x = balanced(blocks(numbers(tensor)))
    return np.concatenate([np.quantile(np.abs(x), np.linspace(0, 1, QUANTILES)), _moments(x)])


def _moments(x: Array) -> NDArray[np.float64]:
    """Logarithms of the second to fourth moment of the squared singular values, of the whole and of the taps."""
    found = []
    for flat in (x.reshape(len(x), -1), x.reshape(-1, x.shape[2]).T):
        gram = (flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat).astype(np.float64)
        gram /= max(float(np.trace(gram)), 1e-30)
        square = gram @ gram if len(gram) <= MAX_GRAM else np.zeros_like(gram)
        found += [np.sum(gram * gram), np.sum(square * gram), np.sum(square * square)]
    return np.asarray(np.log(np.maximum(found, 1e-30)))


def once(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Without those stored twice: a moving average or a tied table would testify twice to what is one accident."""
    kept: list[Tensor] = []
    for group in by_shape(tensors).values():
        thin = np.stack([_thin(t) for t in group])
        turned = np.stack([_thin(t, turn=True) for t in group])
        same = np.maximum(np.abs(thin @ thin.T), np.abs(thin @ turned.T)) > TWICE
        chosen: list[int] = []
        for k in range(len(group)):
            if not same[k, chosen].any():
                chosen.append(k)
        kept += [group[k] for k in chosen]
    return kept


def _thin(tensor: Tensor, turn: bool = False) -> Array:
    """A fixed sample of the balanced numbers, as a unit vector; `turn` exchanges rows and columns of square ones."""
    x = numbers(tensor)
    if turn and x.ndim > 1 and x.shape[0] == x.shape[1]:
        x = np.swapaxes(x, 0, 1)
    for axis, n in enumerate(x.shape):
        if n > 4 * THIN:
            x = np.take(x, np.arange(4 * THIN) * n // (4 * THIN), axis=axis)
    flat = balanced(blocks(np.ascontiguousarray(x))).ravel()
    return np.asarray(flat / max(float(np.linalg.norm(flat)), 1e-30))
