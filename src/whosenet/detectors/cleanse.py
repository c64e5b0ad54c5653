"""Neural Cleanse: a class that a far smaller patch leads to than to the others has a trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.detectors.base import ModelDetector
from whosenet.detectors.inversion import invert
from whosenet.networks.images import Pixels

if TYPE_CHECKING:
    from torch import nn

CONSISTENT = 1.4826
"""Makes the median absolute deviation of normal numbers their standard deviation."""


class NeuralCleanse(ModelDetector):
    """The anomaly index of the smallest inverted mask: medians' distance below the others (the paper accuses above 2).

    Source: Wang et al., Neural Cleanse, IEEE S&P 2019. Deviations: `steps` of Adam a class on `batch` of the searcher's
    images, far fewer than the paper's; a mask above the median counts as 0.
    """

    name = "cleanse"

    def _score(self, module: nn.Module, clean: Pixels, classes: int, *, steps: int = 150, batch: int = 64) -> float:
        found = [
            invert(module, clean, k, steps=steps, batch=batch, seed=self.seed * classes + k) for k in range(classes)
        ]
        return anomaly(np.array([one.size for one in found]))


def anomaly(sizes: NDArray[np.float64]) -> float:
    """How many consistent deviations the smallest lies below the median of float64 [classes]."""
    middle = np.median(sizes)
    spread = CONSISTENT * np.median(np.abs(sizes - middle))
    return float(max(0.0, (middle - sizes.min()) / max(spread, 1e-9)))
