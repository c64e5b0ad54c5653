"""STRIP: triggers keep their class when other images are laid over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from whosenet.detectors.base import ImageDetector, Scores
from whosenet.networks.images import Pixels
from whosenet.networks.predict import probabilities

if TYPE_CHECKING:
    from torch import nn


class Strip(ImageDetector):
    """Minus the mean entropy of what the model says of an image added to clean ones.

    Source: Gao et al., STRIP, ACSAC 2019. As in the authors' code the two images are added and clipped. `overlays`
    clean images for each (the paper: 100). The paper's threshold from clean images' entropies is not needed for an AUC.
    """

    name = "strip"

    def _score(
        self, module: nn.Module, images: Pixels, clean: Pixels, shown: Pixels | None = None, *, overlays: int = 32
    ) -> Scores:
        draws = np.random.default_rng(self.seed)
        return np.array([-self._entropy(module, image, clean, overlays, draws) for image in images])

    def _entropy(
        self, module: nn.Module, image: Pixels, clean: Pixels, overlays: int, draws: np.random.Generator
    ) -> float:
        over = clean[draws.choice(len(clean), min(overlays, len(clean)), replace=False)]
        both = np.minimum(over.astype(np.uint16) + image, 255).astype(np.uint8)
        said = probabilities(module, both).astype(np.float64)
        return float(-(said * np.log(np.maximum(said, 1e-12))).sum(1).mean())
