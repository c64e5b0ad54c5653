"""The chi-square attack of steganalysis: replaced lowest bits make neighbouring grey levels equally frequent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from whosenet.detectors.base import ImageDetector, Scores
from whosenet.networks.images import Pixels

if TYPE_CHECKING:
    from torch import nn


class ChiSquare(ImageDetector):
    """Minus the chi-square statistic of pairs of grey levels (2k, 2k + 1) against equal frequency, a degree of freedom.

    Source: Westfeld and Pfitzmann, Attacks on Steganographic Systems, Information Hiding 1999. Deviation: the
    statistic and not its p-value, which is 0 or 1 for most small images; channels are added up. The model is not
    asked.
    """

    name = "chisquare"

    def _score(self, module: nn.Module, images: Pixels, clean: Pixels, shown: Pixels | None = None) -> Scores:
        return np.array([-_statistic(image) for image in images])


def _statistic(image: Pixels) -> float:
    total, freedom = 0.0, 0
    for channel in image.reshape(-1, image.shape[2]).T:
        pairs = np.bincount(channel, minlength=256).reshape(128, 2)
        pairs = pairs[pairs.sum(1) >= 4]
        total += float(((pairs[:, 0] - pairs[:, 1]) ** 2 / np.maximum(pairs.sum(1), 1)).sum())
        freedom += len(pairs)
    return total / max(freedom, 1)
