"""Features with a known spread to bits that are fair coins for strangers, whatever strangers have in common.

Twins trained on the same data have nearly the same spectra, so the sign of a feature would be the same for all.
Its phase is not: cos(f + phase), with a period below the spread between twins, forgets what they share and keeps what
a copy keeps. Sums of such cosines over blocks have a kernel that is one for copies and zero for strangers as inner
product (random Fourier features, Rahimi and Recht, NIPS 2007), and the sign of each sum is a bit: a lost layer takes
its share and no more.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

TAPS = (1.7, 0.45, 0.1, 1.5, 0.35, 0.1)
SINGLE = (2.0, 1.0, 0.5, 0.35, 0.2, 0.15)
"""Squared frequency of each number of a block in units of its spread between strangers, the most robust numbers first:
three of one matrix, three of its partner. The sum decides how alike strangers are: their mean kernel is at most
exp(-4.2) = 0.015."""
JITTER = 0.4
PRIOR = 4
"""So many blocks' worth of belief in a spread of one."""


def image(features: NDArray[np.float64], key: str, energy: tuple[float, ...], bits: int) -> NDArray[np.float64]:
    """Sums over blocks [blocks, d = len(energy)] of their cosines, their features and the products of these: float64
    [bits + d + d * d]. Blocks of one `key` share frequencies."""
    turns, phase = _frequencies(key, energy, bits)
    waves = np.cos(features @ turns + phase).sum(axis=0) * 2**0.5
    return np.concatenate([waves, features.sum(axis=0), (features.T @ features).ravel()])


def centred(
    sums: NDArray[np.float64], count: int, key: str, energy: tuple[float, ...], bits: int
) -> NDArray[np.float64]:
    """The cosines of `count` blocks without what strangers' blocks of this mean and spread add up to: float64 [bits].

    The layers of a deep network share shapes and nearly their spectra. What the phase of a single block forgets to a
    hundredth would add up over a hundred of them. Few blocks are taken to have the spread of Gaussian weights, one.
    """
    turns, phase = _frequencies(key, energy, bits)
    size = len(energy)
    mean, square = sums[bits : bits + size] / count, sums[bits + size :].reshape(size, size) / count
    spread = (PRIOR * np.eye(size) + count * (square - np.outer(mean, mean))) / (PRIOR + count - 1)
    common = np.exp(-0.5 * np.sum(turns * (spread @ turns), axis=0)) * np.cos(mean @ turns + phase) * 2**0.5
    return np.asarray(sums[:bits] - count * common)


@lru_cache(maxsize=512)
def _frequencies(key: str, energy: tuple[float, ...], bits: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies [count, bits] of equal total energy (a weak one would give strangers the same bit); phases [bits]."""
    count = len(energy)
    raw = blake3(f"phase {key}".encode()).digest(length=4 * bits * (2 * count + 1))
    unit = (np.frombuffer(raw, "<u4").reshape(-1, bits).astype(np.float64) + 0.5) / 2.0**32
    size = np.sqrt(np.array(energy))[:, None] * (1 + JITTER * (2 * unit[:count] - 1))
    size *= np.where(unit[count : 2 * count] < 0.5, -1, 1)
    size *= np.sqrt(sum(energy) / (size**2).sum(axis=0))
    return size, 2 * np.pi * unit[-1]
