"""SentiNet: the part of an image that decides its class is cut out and laid over other images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.detectors.base import ImageDetector, Scores
from whosenet.detectors.salience import grad_cam
from whosenet.networks.images import Pixels
from whosenet.networks.predict import probabilities

if TYPE_CHECKING:
    from torch import nn

Masks = NDArray[np.bool_]


class SentiNet(ImageDetector):
    """Share of clean images that a cut-out part takes to its class, less the confidence that noise in its place costs.

    Source: Chou, Tramer, Pellegrino, SentiNet, IEEE S&P Workshops 2020: a trigger is a small part that decides wherever
    it is put, while mere occlusion by something inert harms little. Deviations: one Grad-CAM, for the predicted class;
    always the `share` of the pixels with the highest values, since whole objects decide wherever they are put, too (the
    paper proposes several classes and subtracts their maps); the sum of the two coordinates in place of a boundary
    fitted to clean images. `onto` clean images for each.
    """

    name = "sentinet"

    def _score(
        self,
        module: nn.Module,
        images: Pixels,
        clean: Pixels,
        shown: Pixels | None = None,
        *,
        onto: int = 24,
        share: float = 0.15,
    ) -> Scores:
        draws = np.random.default_rng(self.seed)
        maps, classes = grad_cam(module, images)
        masks = maps >= np.quantile(maps, 1 - share, axis=(1, 2), keepdims=True)
        return np.array(
            [
                self._one(module, image, mask, int(k), clean, onto, draws)
                for image, mask, k in zip(images, masks, classes, strict=True)
            ]
        )

    def _one(
        self,
        module: nn.Module,
        image: Pixels,
        mask: Masks,
        label: int,
        clean: Pixels,
        onto: int,
        draws: np.random.Generator,
    ) -> float:
        under = clean[draws.choice(len(clean), min(onto, len(clean)), replace=False)]
        inert = draws.integers(0, 256, image.shape, dtype=np.uint8)
        pasted, covered = (np.where(mask[..., None], part, under) for part in (image, inert))
        said = probabilities(module, np.concatenate([pasted, covered, under]))
        moved, occluded, plain = np.split(said, 3)
        others = plain.argmax(1) != label
        fooled = (moved.argmax(1) == label)[others].mean() if others.any() else 0.0
        return float(fooled + occluded.max(1).mean() - plain.max(1).mean())
