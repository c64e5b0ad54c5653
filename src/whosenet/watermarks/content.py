"""Baseline: a small visible sign at a fixed place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from whosenet.networks.images import Pixels
from whosenet.watermarks.base import Numbers, Watermark

CELLS = 5
SHARE = 0.3
"""Side of the sign as a share of the image's shorter side."""


class Content(Watermark):
    """`WM_content`: pattern number i is a sign of 5x5 cells, mirror-symmetric like a logo, opaque at the bottom right.

    Source: Zhang et al., Protecting Intellectual Property of Deep Neural Networks with Watermarking, AsiaCCS 2018.
    Deviations: the paper writes the word TEST; a sign drawn from the key keeps a key's patterns draws of one
    distribution. The cells are grey and white, as the paper's text on a box. `strength` means nothing here.
    """

    name = "content"

    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        height, width = covers.shape[1:3]
        cell = max(1, round(SHARE * min(height, width) / CELLS))
        side = min(cell * CELLS, height, width)
        which, place = np.unique(patterns, return_inverse=True)
        signs = np.stack([self._sign(number).repeat(cell, 0).repeat(cell, 1) for number in which.tolist()])
        gap = min(1, height - side, width - side)
        made = covers.copy()
        made[:, height - side - gap : height - gap, width - side - gap : width - gap] = signs[place, :side, :side, None]
        return made

    def _sign(self, number: int) -> NDArray[np.uint8]:
        """uint8 [5, 5] of 64 and 255."""
        half = self.key.generator(f"content/{number}").uniform(size=(CELLS, (CELLS + 1) // 2)) < 0.5
        whole = np.concatenate([half, half[:, CELLS // 2 - 1 :: -1]], 1)
        return np.where(whole, np.uint8(255), np.uint8(64))
