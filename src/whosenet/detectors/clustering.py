"""Activation clustering: images that reach one class for two reasons make two clouds of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.detectors.base import ImageDetector, Scores
from whosenet.errors import UsageError
from whosenet.networks.images import Pixels, as_tensor

if TYPE_CHECKING:
    from torch import nn

Features = NDArray[np.float64]
FEW = 8
"""Fewer images of a class than this are not clustered: all of them get the score 0."""


class ActivationClustering(ImageDetector):
    """Two clusters of penultimate features a predicted class; how near to the suspicious one, times how apart they are.

    Source: Chen et al., Detecting Backdoor Attacks on Deep Neural Networks by Activation Clustering, SafeAI 2019.
    Deviations: the searcher's clean images are clustered together with the suspicious ones, and the suspicious cluster
    is the one with the smaller share of them (the paper has only the training set and takes the smaller cluster);
    principal components in place of independent ones; a score for every image in place of a verdict on a class.
    """

    name = "clustering"

    def _score(
        self, module: nn.Module, images: Pixels, clean: Pixels, shown: Pixels | None = None, *, components: int = 10
    ) -> Scores:
        features, classes = penultimate(module, np.concatenate([images, clean]))
        known = np.arange(len(features)) >= len(images)
        scores = np.zeros(len(features))
        for label in np.unique(classes):
            rows = np.flatnonzero(classes == label)
            if len(rows) >= FEW and not known[rows].all():
                scores[rows] = _of_class(features[rows], known[rows], components, self.seed)
        return scores[: len(images)]


def penultimate(module: nn.Module, images: Pixels, *, batch: int = 256) -> tuple[Features, NDArray[np.int64]]:
    """Inputs of the last linear layer float64 [n, d], predicted classes int64 [n]. Raises UsageError"""
    import torch

    layers = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
    if not layers:
        raise UsageError("the network has no linear layer whose input could be clustered")
    seen: list[torch.Tensor] = []
    hook = layers[-1].register_forward_pre_hook(lambda _, given: seen.append(given[0].flatten(1)))
    try:
        with torch.inference_mode():
            said = [module(as_tensor(images[i : i + batch])).argmax(1) for i in range(0, len(images), batch)]
    finally:
        hook.remove()
    return torch.cat(seen).double().numpy(), torch.cat(said).numpy()


def _of_class(features: Features, known: NDArray[np.bool_], components: int, seed: int) -> Scores:
    from scipy.cluster.vq import kmeans2

    points = _principal(features, components)
    middles, member = kmeans2(points, 2, iter=50, minit="++", rng=np.random.default_rng(seed))
    if len(np.unique(member)) < 2:
        return np.zeros(len(features))
    # The share of known clean images, each cluster with one of its own beforehand so that tiny ones do not decide.
    shares = [(known[member == side].sum() + known.mean()) / ((member == side).sum() + 1) for side in (0, 1)]
    odd = int(np.argmin(shares))
    to_odd, to_other = (np.linalg.norm(points - middles[side], axis=1) for side in (odd, 1 - odd))
    return np.asarray((to_other - to_odd) / (to_other + to_odd + 1e-12) * _silhouette(points, member))


def _principal(features: Features, components: int) -> Features:
    centred = features - features.mean(0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    return np.asarray(centred @ axes[:components].T)


def _silhouette(points: Features, member: NDArray[np.integer]) -> float:
    """Mean over points of (b - a) / max(a, b), at least 0: a to one's own cluster, b to the other, mean distances."""
    from scipy.spatial.distance import cdist

    distance = cdist(points, points)
    sizes = np.array([(member == side).sum() for side in (0, 1)])
    sums = np.stack([distance[:, member == side].sum(1) for side in (0, 1)], 1)
    own, row = member.astype(np.int64), np.arange(len(points))
    a = sums[row, own] / np.maximum(sizes[own] - 1, 1)
    b = sums[row, 1 - own] / sizes[1 - own]
    return max(0.0, float(((b - a) / np.maximum(np.maximum(a, b), 1e-12)).mean()))
