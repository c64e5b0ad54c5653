"""The seed method: perceptual hashing by normal test statistics, with its whole family under one name."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import UsageError
from whosenet.hashes.base import Features, Hash
from whosenet.hashes.canonical import Shape, canonical, long_axes, symmetric
from whosenet.hashes.encode import ENCODINGS, effective, encode, normal_scores
from whosenet.hashes.sketch import axis, sketch
from whosenet.hashes.statistics import IMPORTANT, STATISTICS, segment_features
from whosenet.weights.base import Tensor

BALANCING = 8


class NTS(Hash):
    """Chen et al., "Perceptual hashing of deep convolutional neural networks", ACM TOMM 19(3), 2023.

    Known from the paper: important weights by compression theory, normal test statistics on their segments, encoding
    into a fixed-length code. Ours (the full text was not to hand): which weights, segments, statistics, encodings; the
    canonical axis order; the calibrated encoding (random projections seeded by shape) and its p-value. The default
    statistic is the linear one of the family, which docs/methods/nts.md measures to be the most robust.
    """

    name = "nts"
    version = 1
    defaults: ClassVar[dict[str, Any]] = {
        "statistic": "mean",
        "importance": 1.0,
        "unit": "weight",
        "segments": 4096,
        "encoding": "projection",
        "bits": 256,
    }

    def check(self) -> None:
        p = self.parameters
        if p["statistic"] not in STATISTICS:
            raise UsageError(f"unknown statistic {p['statistic']!r}; there are: {', '.join(STATISTICS)}")
        if p["encoding"] not in ENCODINGS:
            raise UsageError(f"unknown encoding {p['encoding']!r}; there are: {', '.join(ENCODINGS)}")
        if p["unit"] not in IMPORTANT:
            raise UsageError(f"unknown unit of importance {p['unit']!r}; there are: {', '.join(IMPORTANT)}")
        if (
            not 0 < p["importance"] <= 1
            or p["bits"] not in (64, 128, 256, 512, 1024)
            or not 8 <= p["segments"] <= 65536
        ):
            raise UsageError("importance must be in (0, 1], bits 64..1024 (a power of two), segments 8..65536")

    def tensor_features(self, tensor: Tensor) -> tuple[Shape, NDArray[np.float64]] | str:
        p = self.parameters
        if p["statistic"] == "mean" and p["importance"] == 1.0:
            values = sketch(tensor, p["segments"])
            values = linear(values, canonical(tensor.shape).shape) if np.isfinite(values).all() else values
        else:
            values = segment_features(tensor, p["statistic"], p["importance"], p["unit"], p["segments"])
        if not np.isfinite(values).all():
            return "not finite"
        if np.ptp(values) == 0:
            return "constant"
        return canonical(tensor.shape).shape, normal_scores(symmetric(values))

    def encode(self, features: Features) -> NDArray[np.bool_]:
        return encode(features, self.parameters["encoding"], self.parameters["bits"])

    def effective(self, features: Features) -> float:
        return effective(features)


def linear(values: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
    """A sketch without what all units share, units scaled alike; zeros if nothing but a constant was there."""
    size = float(np.sqrt(np.mean(values**2)))
    rest = centred(values, shape)
    return np.zeros_like(rest) if float(np.sqrt(np.mean(rest**2))) <= 1e-5 * size else balanced(rest)


def centred(values: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
    """Without what all units have in common: strangers trained on the same data share that, copies share the rest.

    The image of a constant along an axis of the tensor is t (signed block sizes); its share is projected out.
    """
    for k in long_axes(shape):
        where, sign = axis(shape[k], values.shape[k])
        t = np.bincount(where, sign, minlength=values.shape[k])
        if (t != 0).any():
            share = np.tensordot(t, values, (0, k)) / float(t @ t)
            values = values - np.expand_dims(share, k) * t.reshape([-1 if a == k else 1 for a in range(values.ndim)])
    return values


def balanced(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slices along each unit axis scaled to equal RMS: folding batch norm or rescaling units changes next to nothing.

    All axes at once with half steps, so that a transposed square array gives the transposed result.
    """
    units = long_axes(values.shape)
    for _ in range(BALANCING if len(units) > 1 else 1):
        scale = np.ones((1,) * values.ndim)
        for k in units:
            others = tuple(a for a in range(values.ndim) if a != k)
            rms = np.sqrt(np.mean(values**2, axis=others, keepdims=True))
            scale = scale * np.where(rms > 0, rms, 1.0) ** (1 / len(units))
        values = values / scale
    return values * (1.0 / max(math.sqrt(float(np.mean(values**2))), 1e-300))
