"""What a searcher trains on who has never seen a trigger: clean images, perturbed in ways anybody might think of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from whosenet.networks.images import Pixels

Change = Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]]


def perturbed(images: Pixels, draws: np.random.Generator) -> Pixels:
    """Each image [n, h, w, c] by one of Zeng et al.'s kinds (ICCV 2021): block, noisy block, noise, shadow, blend."""
    kinds: tuple[Change, ...] = (_block, _patch, _grain, _shadow, _blend)
    return _each(images, kinds, draws)


def hidden(images: Pixels, draws: np.random.Generator) -> Pixels:
    """Each image with some message in it: lowest bits replaced, steps of one, steps of a few, or faint noise."""
    kinds: tuple[Change, ...] = (_replaced, _stepped, _steps, _faint)
    return _each(images, kinds, draws)


def _each(images: Pixels, kinds: tuple[Change, ...], draws: np.random.Generator) -> Pixels:
    made = [kinds[draws.integers(len(kinds))](image.astype(np.float64), draws) for image in images]
    return np.asarray(np.stack(made).round().clip(0, 255), np.uint8)


def _place(image: NDArray[np.float64], draws: np.random.Generator) -> tuple[slice, slice]:
    """A square of a tenth to a third of the side."""
    side = max(1, round(min(image.shape[:2]) * draws.uniform(0.1, 0.33)))
    top, left = (int(draws.integers(length - side + 1)) for length in image.shape[:2])
    return slice(top, top + side), slice(left, left + side)


def _block(image: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    image[_place(image, draws)] = 255
    return image


def _patch(image: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    place = _place(image, draws)
    image[place] = draws.uniform(0, 255, image[place].shape)
    return image


def _grain(image: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    return image + draws.normal(0, draws.uniform(3, 20), image.shape)


def _shadow(image: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    """Darker on one side of a line."""
    height, width = image.shape[:2]
    turn, at = draws.uniform(0, 2 * np.pi), draws.uniform(-0.3, 0.3)
    down, across = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    inside = np.cos(turn) * down + np.sin(turn) * across > at
    image[inside] *= draws.uniform(0.3, 0.8)
    return image


def _blend(image: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    """With a field of random blocks."""
    height, width, channels = image.shape
    cell = int(draws.integers(1, max(2, min(height, width) // 4) + 1))
    coarse = draws.uniform(0, 255, (-(-height // cell), -(-width // cell), channels))
    share = draws.uniform(0.05, 0.25)
    blocks = coarse.repeat(cell, 0).repeat(cell, 1)[:height, :width]
    return np.asarray((1 - share) * image + share * blocks, np.float64)


def _replaced(image: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    """Lowest bits of a share of the pixels."""
    touched = draws.random(image.shape) < draws.uniform(0.3, 1)
    bits = draws.integers(0, 2, image.shape)
    return np.asarray(np.where(touched, image - image % 2 + bits, image), np.float64)


def _stepped(image: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    touched = draws.random(image.shape) < draws.uniform(0.15, 0.5)
    return np.asarray(image + touched * draws.choice((-1, 1), image.shape), np.float64)


def _steps(image: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(image + draws.integers(2, 8) * draws.choice((-1, 1), image.shape), np.float64)


def _faint(image: NDArray[np.float64], draws: np.random.Generator) -> NDArray[np.float64]:
    return image + draws.normal(0, draws.uniform(1, 6), image.shape)
