"""Patterns for the ablation alone: white noise over the whole image, low frequencies, and the spectrum of photographs.

They carry no identity.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.fft import idctn

from whosenet.networks.images import Pixels
from whosenet.watermarks.base import Numbers, Watermark

LOWEST = 0.2
"""Of the highest frequency: what low-frequency patterns keep."""
COLOUR = 0.3
"""Spread of a channel's own part beside what all channels share."""


class Spectrum(Watermark):
    """`name` white: signs by lot. low-frequency: cosines below a fifth of the highest frequency."""

    name = "white"

    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        which, place = np.unique(patterns, return_inverse=True)
        made = np.stack([self._pattern(int(number), *covers.shape[1:]) for number in which])
        return np.asarray((covers + made[place]).round().clip(0, 255), np.uint8)

    @lru_cache(maxsize=4096)  # noqa: B019 (a mark lives as long as a bench)
    def _pattern(self, number: int, height: int, width: int, channels: int) -> np.ndarray:
        draws = self.key.generator(f"{self.name}/{number}")
        if self.name == "white":
            made = draws.choice([-1.0, 1.0], (height, width, channels))
        else:
            frequency = np.hypot(*np.meshgrid(np.arange(height) / height, np.arange(width) / width, indexing="ij"))
            made = idctn(
                self._coloured(draws, (height, width, channels)) * self._weight(frequency)[..., None], axes=(0, 1)
            )
            made -= made.mean((0, 1))
        rms = 255 * 10 ** (-float(self.key.method["psnr"]) / 20)
        return made / np.sqrt((made**2).mean()) * rms

    def _weight(self, frequency: np.ndarray) -> np.ndarray:
        return (frequency < LOWEST).astype(float)

    def _coloured(self, draws: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
        return draws.standard_normal(shape)


class LowFrequency(Spectrum):
    name = "low-frequency"


class SpectrumShaped(Spectrum):
    """Amplitudes fall with the frequency and channels go together, as in photographs (Field, 1987)."""

    name = "spectrum-shaped"

    def _weight(self, frequency: np.ndarray) -> np.ndarray:
        return 1 / np.maximum(frequency, 2 / max(frequency.shape))

    def _coloured(self, draws: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
        return draws.standard_normal((*shape[:2], 1)) + COLOUR * draws.standard_normal(shape)


SPECTRA = {"white": Spectrum, "low-frequency": LowFrequency, "spectrum-shaped": SpectrumShaped}
