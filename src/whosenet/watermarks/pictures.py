"""Abstract pictures that follow from a key: soft colour fields under a few hard shapes, at any size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from whosenet.keys.key import Key

Picture = NDArray[np.float32]
WAVES, SHAPES = 6, 5


class Pictures:
    """A key's numbered pictures for one purpose; each is painted once, since training asks for them in every batch."""

    def __init__(self, key: Key, purpose: str) -> None:
        self._key, self._purpose = key, purpose
        self._known: dict[tuple[int, ...], Picture] = {}

    def of(self, numbers: NDArray[np.int64], shape: tuple[int, ...]) -> Picture:
        """float32 [n, h, w, c] in 0..255 for int64 [n]; `shape` is (h, w, c)."""
        which, place = np.unique(numbers, return_inverse=True)
        return np.stack([self._one(number, shape) for number in which.tolist()])[place]

    def _one(self, number: int, shape: tuple[int, ...]) -> Picture:
        asked = (number, *shape)
        if asked not in self._known:
            self._known[asked] = picture(self._key, f"{self._purpose}/{number}", *shape)
        return self._known[asked]


def picture(key: Key, purpose: str, height: int, width: int, channels: int) -> Picture:
    """float32 [h, w, c] in 0..255. One purpose draws one picture, whatever the size it is painted at."""
    draws = key.generator(purpose)
    down, across = np.mgrid[0:height, 0:width] + 0.5
    down, across = down / height, across / width
    painted = _field(draws, down, across)
    for _ in range(SHAPES):
        inside, colour = _shape(draws, down, across)
        painted[inside] = colour
    made = painted if channels == 3 else painted.mean(2, keepdims=True)
    return np.asarray(255 * made, np.float32)


def _field(draws: np.random.Generator, down: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    """[h, w, 3] in 0..1: a sum of slow waves, one colour each."""
    total = np.zeros((*down.shape, 3))
    for _ in range(WAVES):
        turns, phase, colour = draws.uniform(-2.5, 2.5, 2), draws.uniform(0, 1), draws.uniform(-1, 1, 3)
        total += np.cos(2 * np.pi * (turns[0] * down + turns[1] * across + phase))[..., None] * colour
    return np.asarray(0.5 + 0.5 * np.tanh(total / np.sqrt(WAVES / 3)), np.float64)


def _shape(
    draws: np.random.Generator, down: NDArray[np.float64], across: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Where a turned ellipse or rectangle lies, and its colour [3] in 0..1."""
    middle, turn, size = draws.uniform(0, 1, 2), draws.uniform(0, np.pi), draws.uniform(0.08, 0.3, 2)
    colour, round_ = draws.uniform(0, 1, 3), draws.uniform() < 0.5
    y, x = down - middle[0], across - middle[1]
    u = (np.cos(turn) * y + np.sin(turn) * x) / size[0]
    v = (np.cos(turn) * x - np.sin(turn) * y) / size[1]
    return (u**2 + v**2 < 1) if round_ else (np.maximum(abs(u), abs(v)) < 1), colour
