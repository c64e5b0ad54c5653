"""Which layers of a model were widened: what its tensors tell together of as many units."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.hashes.canonical import Shape, canonical
from whosenet.hashes.merge import MIN_LENGTH, SAME, Group, Parallels, along, as_by_hand, borne_out, parallels
from whosenet.weights.base import Tensor

NEAR = 0.99
"""Readers of dummy units share out or cancel the very same weights; a share of them carries the noise of others."""
MOST = 8
"""Groupings of one number of units that short slices are held against."""


class Widened:
    """`Elsewhere` of one model. Tensors are looked at when asked for; only pairs of units are kept."""

    def __init__(
        self,
        tensors: list[Tensor],
        numbers: Callable[[Tensor], NDArray[Any]],
        axes: Callable[[Shape], list[int]],
        largest: int,
    ) -> None:
        self._tensors = [t for t in tensors if t.trained and t.elements <= largest]
        self._numbers, self._axes = numbers, axes
        self._found: dict[int, list[Parallels]] = {}
        self._target: dict[int, int | None] = {}

    def target(self, units: int) -> int | None:
        """The number of units that two kinds of tensors agree to be fewer than there are, or one and a short one."""
        if units not in self._target:
            self._target[units] = self._agreed(units)
        return self._target[units]

    def groups(self, units: int) -> list[Group]:
        target = self.target(units)
        made = ((p, p.cut(target)) for p in self._pairs(units)) if target is not None else iter(())
        return [g for p, g in made if g is not None and as_by_hand(p.alive, g)][:MOST]

    def _agreed(self, units: int) -> int | None:
        found = self._pairs(units)
        for least in (NEAR, SAME):
            fewer = {
                p.cosines.round(4).tobytes(): p for p in found if p.count(least) < units
            }  # tied weights count once
            if not any(p.any(least) for p in fewer.values()):
                continue
            counts = sorted(p.count(least) for p in fewer.values())
            if len(fewer) > 1:
                return statistics.mode(counts)
            group = next(iter(fewer.values())).cut(counts[0])
            if group is not None and any(borne_out(s, group) for s in self._slices(units, short=True)):
                return counts[0]
        return None

    def _pairs(self, units: int) -> list[Parallels]:
        if units not in self._found:
            every = (parallels(s) for s in self._slices(units, short=False))
            self._found[units] = [p for p in every if p is not None]
        return self._found[units]

    def _slices(self, units: int, *, short: bool) -> Iterator[NDArray[Any]]:
        for tensor in self._tensors:
            shape = canonical(tensor.shape).shape
            if len(shape) < 2 or (tensor.elements < units * MIN_LENGTH) != short:
                continue
            axes = [a for a in self._axes(shape) if shape[a] == units]
            if axes and np.isfinite(whole := self._numbers(tensor)).all():
                yield from (along(whole, a) for a in axes)
