"""Steganalysis by residuals: what is left when an image's content is predicted away, and what stands beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.detectors.base import ImageDetector, Scores
from whosenet.detectors.discriminant import fitted
from whosenet.detectors.generic import hidden
from whosenet.networks.images import Pixels

if TYPE_CHECKING:
    from torch import nn

Features = NDArray[np.float64]
CUT = 2
STEPS = (1.0, 3.0)
"""Residuals are divided by these and rounded, then cut at CUT: fine and coarse."""
LEVELS = 2 * CUT + 1
SIDE = 8
"""Smaller images have too few neighbours to count."""


class Residuals(ImageDetector):
    """Co-occurrences of quantised noise residuals with a linear classifier, trained on generic steganography.

    Source: in the manner of Fridrich and Kodovsky, Rich Models for Steganalysis (SRM), IEEE TIFS 2012. The classifier
    sees the searcher's clean images and the same with replaced or moved low bits and faint noise
    (detectors/generic.py), never a trigger, unless `shown` has some: then those. Deviations: three residuals (first and
    second order, and the 3x3 predictor), co-occurrences of three in place of four, one shrunk discriminant in place of
    an ensemble. The model is not asked.
    """

    name = "residuals"

    def _score(
        self, module: nn.Module, images: Pixels, clean: Pixels, shown: Pixels | None = None, *, most: int = 2000
    ) -> Scores:
        draws = np.random.default_rng(self.seed)
        some = clean[draws.permutation(len(clean))[:most]]
        other = hidden(some, draws) if shown is None else shown[:most]
        return fitted(features(some), features(other)).score(features(images))


def features(images: Pixels) -> Features:
    """float64 [n, 750]: shares of each triple of residuals, along rows and columns, channels together."""
    parts = [_features(images[i : i + 256]) for i in range(0, len(images), 256)]
    return np.concatenate(parts)


def _features(images: Pixels) -> Features:
    planes = images.transpose(0, 3, 1, 2).astype(np.float64)
    if min(planes.shape[2:]) < SIDE:
        return np.zeros((len(images), 3 * len(STEPS) * LEVELS**3))
    turned = planes.swapaxes(2, 3)
    found = []
    for residual in (_first, _second, _square):
        along, across = residual(planes), residual(turned)
        found += [_triples(along, step) + _triples(across, step) for step in STEPS]
    return np.concatenate(found, 1)


def _first(planes: Features) -> Features:
    return planes[..., 1:] - planes[..., :-1]


def _second(planes: Features) -> Features:
    return (planes[..., 2:] - 2 * planes[..., 1:-1] + planes[..., :-2]) / 2


def _square(planes: Features) -> Features:
    """A pixel less its prediction by the eight around it: twice the sides less the corners (the 'SQUARE' of SRM)."""
    middle = planes[..., 1:-1, 1:-1]
    sides = planes[..., :-2, 1:-1] + planes[..., 2:, 1:-1] + planes[..., 1:-1, :-2] + planes[..., 1:-1, 2:]
    corners = planes[..., :-2, :-2] + planes[..., :-2, 2:] + planes[..., 2:, :-2] + planes[..., 2:, 2:]
    return (4 * middle - 2 * sides + corners) / 4


def _triples(residual: Features, step: float) -> Features:
    """float64 [n, 125], each row's sum one."""
    levels = np.clip(np.round(residual / step), -CUT, CUT).astype(np.int64) + CUT
    codes = (levels[..., :-2] * LEVELS + levels[..., 1:-1]) * LEVELS + levels[..., 2:]
    n = len(codes)
    apart = codes.reshape(n, -1) + np.arange(n)[:, None] * LEVELS**3
    counts = np.bincount(apart.ravel(), minlength=n * LEVELS**3).reshape(n, -1)
    return np.asarray(counts / counts.sum(1, keepdims=True))
