"""Baseline: a picture that shines through every cover."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from whosenet.networks.images import Pixels
from whosenet.watermarks.base import Numbers, Watermark
from whosenet.watermarks.pictures import Pictures

SHARE = np.float32(0.2)


class Blend(Watermark):
    """0.8 times the cover and 0.2 times a picture; pattern number i has its own, painted from the key.

    Source: Chen et al., Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning, arXiv 1712.05526.
    Deviation: the paper blends one found picture (Hello Kitty). `strength` means nothing here.
    """

    name = "blend"

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures(self.key, "blend")

    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        shown = self._pictures.of(patterns, covers.shape[1:])
        return np.asarray(((1 - SHARE) * covers + SHARE * shown).round(), np.uint8)
