"""Patterns for the ablation alone: white noise over the whole image, and low frequencies. They carry no identity."""

from __future__ import annotations

import numpy as np
from scipy.fft import idctn

from whosenet.networks.images import Pixels
from whosenet.watermarks.base import Numbers, Watermark

LOWEST = 0.2
"""Of the highest frequency: what low-frequency patterns keep."""


class Spectrum(Watermark):
    """`name` white: signs by lot. low-frequency: cosines below a fifth of the highest frequency."""

    name = "white"

    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        which, place = np.unique(patterns, return_inverse=True)
        made = np.stack([self._pattern(int(number), *covers.shape[1:]) for number in which])
        return np.asarray((covers + made[place]).round().clip(0, 255), np.uint8)

    def _pattern(self, number: int, height: int, width: int, channels: int) -> np.ndarray:
        draws = self.key.generator(f"{self.name}/{number}")
        if self.name == "white":
            made = draws.choice([-1.0, 1.0], (height, width, channels))
        else:
            keep = np.hypot(*np.meshgrid(np.arange(height) / height, np.arange(width) / width, indexing="ij")) < LOWEST
            made = idctn(draws.standard_normal((height, width, channels)) * keep[..., None], axes=(0, 1))
            made -= made.mean((0, 1))
        rms = 255 * 10 ** (-float(self.key.method["psnr"]) / 20)
        return made / np.sqrt((made**2).mean()) * rms


class LowFrequency(Spectrum):
    name = "low-frequency"


SPECTRA = {"white": Spectrum, "low-frequency": LowFrequency}
