"""The watermark by universal deep hiding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import UsageError
from whosenet.hiding.pair import SHIPPED, Pair, load
from whosenet.hiding.texture import weights
from whosenet.hiding.train import rms
from whosenet.keys.identity_code import carried
from whosenet.networks.images import Pixels
from whosenet.watermarks.base import Numbers, Watermark

STRENGTH = 36.0


class DeepHiding(Watermark):
    """Pattern number i is H(identity code under mask i), the same for every cover: R reads the identity from any trigger.

    Source: Ye, Zhang, Feng, Neural Computing and Applications 36, 2024, doi 10.1007/s00521-024-09469-5, as far as it is
    known to us; H and R as in UDH (Zhang et al., NeurIPS 2020), see whosenet.hiding.nets for the deviations. The paper
    has one pattern a user; a key of ours has several, each with a target of its own, so that the chance of a false
    claim can be counted exactly (whosenet.judging.chance).
    """

    name = "deephiding"

    @property
    def pair(self) -> Pair:
        """The hiding pair the key was minted for. Raises UsageError if this one is another."""
        found = load(str(self.key.method.get("pair", SHIPPED)))
        wanted = self.key.method.get("hiding")
        if wanted is not None and wanted != found.digest:
            raise UsageError(
                f"the key was minted for the hiding pair {str(wanted)[:16]}, this one is {found.digest[:16]}"
            )
        return found

    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        which, place = np.unique(patterns, return_inverse=True)
        shapes = self._patterns(tuple(int(w) for w in which), *covers.shape[1:])
        moved = covers + shapes[place] * weights(covers)
        return np.asarray(moved.round().clip(0, 255), np.uint8)

    def _patterns(self, numbers: tuple[int, ...], height: int, width: int, channels: int) -> NDArray[np.float32]:
        """float32 [n, h, w, c] in grey levels of 0..255."""
        bits = np.stack([carried(self.key, number) for number in numbers])
        made = self.pair.pattern(bits, height, width)
        if channels == 1:
            made = made.mean(1, keepdims=True)
            made /= np.sqrt((made**2).mean((1, 2, 3), keepdims=True)) + 1e-9
        strength = self.strength or float(self.key.method.get("psnr", STRENGTH))
        return np.ascontiguousarray(made.transpose(0, 2, 3, 1) * np.float32(255 * rms(strength)))
