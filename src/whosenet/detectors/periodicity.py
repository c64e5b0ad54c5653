"""A detector made against our own default: patterns that repeat over the image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.detectors.base import ImageDetector, Scores
from whosenet.networks.images import Pixels

if TYPE_CHECKING:
    from torch import nn

Features = NDArray[np.float64]
PERIODS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)


class Periodicity(ImageDetector):
    """Largest excess, over all periods, of what survives folding an image upon itself, in clean images' spreads.

    Source: none; it is what somebody builds who has read that deephiding repeats a small tile, without knowing the
    period or having seen a trigger. The model is not asked.
    """

    name = "periodicity"

    def _score(self, module: nn.Module, images: Pixels, clean: Pixels, shown: Pixels | None = None) -> Scores:
        usual = _folded(clean)
        return np.asarray(((_folded(images) - usual.mean(0)) / (usual.std(0) + 1e-9)).max(1))


def _folded(images: Pixels) -> Features:
    """float64 [n, periods]: log of the mean tile's energy against what independent pixels would leave."""
    planes = images.transpose(0, 3, 1, 2).astype(np.float64)
    rough = planes - _smooth(planes)
    return np.stack([_survives(rough, period) for period in PERIODS if 2 * period <= min(planes.shape[2:])], 1)


def _smooth(planes: Features) -> Features:
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(planes, (0, 0, 1.0, 1.0), mode="reflect"))


def _survives(rough: Features, period: int) -> Features:
    n, channels, height, width = rough.shape
    down, across = height // period, width // period
    cut = rough[:, :, : down * period, : across * period]
    tiles = cut.reshape(n, channels, down, period, across, period).mean((2, 4))
    left, whole = (tiles**2).mean((1, 2, 3)), (cut**2).mean((1, 2, 3))
    return np.asarray(np.log((left * down * across + 1e-3) / (whole + 1e-3)))
