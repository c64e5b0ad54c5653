"""Baseline: one image of visible Gaussian noise, added to every cover."""

from __future__ import annotations

import numpy as np

from whosenet.networks.images import Pixels
from whosenet.watermarks.base import Numbers, Watermark

STRENGTH = 24.0


class Noise(Watermark):
    """`WM_noise`: pattern number i is white noise drawn once from the key, the same on every cover.

    Source: Zhang et al., Protecting Intellectual Property of Deep Neural Networks with Watermarking, AsiaCCS 2018.
    Deviation: the paper gives no strength in decibels; 24 dB looks like its pictures: visible grain.
    """

    name = "noise"

    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        which, place = np.unique(patterns, return_inverse=True)
        shape = covers.shape[1:]
        purpose = "noise/{}/" + "x".join(map(str, shape))
        made = np.stack([self.key.generator(purpose.format(n)).standard_normal(shape, np.float32) for n in which])
        level = np.float32(255 * 10 ** (-(self.strength or STRENGTH) / 20))
        return np.asarray((covers + level * made[place]).round().clip(0, 255), np.uint8)
