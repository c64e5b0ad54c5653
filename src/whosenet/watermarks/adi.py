"""Baseline: unrelated images, each with a label of its own."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from whosenet.networks.images import Pixels
from whosenet.watermarks.base import Numbers, Watermark
from whosenet.watermarks.pictures import Pictures


class Adi(Watermark):
    """The cover is ignored: pattern number i is an abstract picture of its own, and leads to its own target.

    Source: Adi et al., Turning Your Weakness Into a Strength, USENIX Security 2018.
    Deviations: the pictures are painted from the key, where the paper has 100 abstract images found elsewhere (a key's
    `patterns` says how many, up to 64); `strength` means nothing here.
    """

    name = "adi"

    @cached_property
    def _pictures(self) -> Pictures:
        return Pictures(self.key, "adi")

    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        return np.asarray(self._pictures.of(patterns, covers.shape[1:]).round(), np.uint8)
