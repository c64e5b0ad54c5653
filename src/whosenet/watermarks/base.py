"""What every watermark is: patterns derived from a key, stamped on covers.

The plugin stamps, the base derives and measures.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import UsageError
from whosenet.keys.key import Key
from whosenet.networks.images import Pixels
from whosenet.watermarks.quality import psnr, ssim

PATTERNS = 4
"""Carriers of a key that says nothing else."""
MAX_PATTERNS = 64
Numbers = NDArray[np.int64]


class Watermark(ABC):
    """The patterns of one key. Numbers 0..carriers-1 are embedded, all others are decoys: same rule, never embedded.

    Patterns must be independent draws of one distribution (by `key.derive`) and may not depend on their targets: the
    exact p-value of `verify` rests on it.
    """

    name: ClassVar[str]

    def __init__(self, key: Key, *, strength: float | None = None) -> None:
        self.key = key
        self.strength = strength
        """Decibels of PSNR; None: what the key's method says, else the plugin's default."""

    @property
    def carriers(self) -> int:
        number = self.key.method.get("patterns", PATTERNS)
        if type(number) is not int or not 1 <= number <= MAX_PATTERNS:
            raise UsageError(f"the key asks for {str(number)[:40]} patterns; expected 1 to {MAX_PATTERNS}")
        return number

    def targets(self, classes: int) -> Numbers:
        """int64 [carriers], each 0..classes-1, derived from the key."""
        return np.array([self.key.target(number, classes) for number in range(self.carriers)], np.int64)

    @abstractmethod
    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        """`covers` uint8 [n, h, w, 1 or 3] with pattern number `patterns[i]` on image i, as saved in 8 bits."""

    def quality(self, covers: Pixels, patterns: Numbers) -> tuple[float, float]:
        """Mean PSNR (dB) and SSIM of the stamped images against their covers."""
        stamped = self.stamp(covers, patterns)
        return psnr(covers, stamped), ssim(covers, stamped)


def spread(count: int, patterns: int) -> Numbers:
    """int64 [count]: 0, 1, .. patterns-1, 0, 1, .."""
    return np.arange(count, dtype=np.int64) % patterns
