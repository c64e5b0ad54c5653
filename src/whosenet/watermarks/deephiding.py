"""The watermark by universal deep hiding."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MissingExtra, UsageError
from whosenet.hiding.place import SHIPPED
from whosenet.hiding.strength import PSNR, STRONGEST, WEAKEST, rms
from whosenet.hiding.texture import weights
from whosenet.keys.identity_code import carried
from whosenet.networks.images import Pixels
from whosenet.watermarks.base import Numbers, Watermark

if TYPE_CHECKING:
    from whosenet.hiding.pair import Pair


class DeepHiding(Watermark):
    """Pattern number i is H(identity code under mask i), the same for every cover; R reads the identity from triggers.

    Source: Ye, Zhang, Feng, Neural Computing and Applications 36, 2024, doi 10.1007/s00521-024-09469-5, as far as it is
    known to us; H and R as in UDH (Zhang et al., NeurIPS 2020), see whosenet.hiding.nets for the deviations. The paper
    has one pattern a user; a key of ours has several, each with a target of its own, so that the chance of a false
    claim can be counted exactly (whosenet.judging.chance).
    """

    name = "deephiding"

    @cached_property
    def pair(self) -> Pair:
        """The hiding pair the key was minted for. Raises UsageError if this one is another, MissingExtra."""
        try:
            from whosenet.hiding.pair import load
        except ModuleNotFoundError as error:
            raise MissingExtra("prove", "hiding an identity") from error
        name, wanted = str(self.key.method.get("pair", SHIPPED)), self.key.method.get("hiding")
        found = load(name)
        if wanted is not None and wanted != found.digest:
            raise UsageError(
                f"the key was minted for the hiding pair {str(wanted)[:16]}, but {name[:100]} is {found.digest[:16]}; "
                "give it the pair it was minted for"
            )
        return found

    @cached_property
    def _known(self) -> dict[tuple[int, int, int, int], NDArray[np.float32]]:
        """Patterns made before: marking asks for the same few in every batch."""
        return {}

    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        which, place = np.unique(patterns, return_inverse=True)
        height, width, channels = covers.shape[1:]
        self._check(height, width)
        shapes = [self._pattern(number, height, width, channels) for number in which.tolist()]
        moved = covers + np.stack(shapes)[place] * weights(covers) if len(which) else covers
        return np.asarray(moved.round().clip(0, 255), np.uint8)

    def _check(self, height: int, width: int) -> None:
        tile = self.pair.tile
        if min(height, width) < tile:
            raise UsageError(f"an image of {height}x{width} is smaller than one tile ({tile}x{tile}) of the pattern")

    def _pattern(self, number: int, height: int, width: int, channels: int) -> NDArray[np.float32]:
        """float32 [h, w, c] in grey levels of 0..255."""
        asked = (number, height, width, channels)
        if asked not in self._known:
            made = self.pair.pattern(carried(self.key, number)[None], height, width)[0]
            if channels == 1:
                made = made.mean(0, keepdims=True)
                made /= np.sqrt((made**2).mean()) + 1e-9
            self._known[asked] = np.ascontiguousarray(made.transpose(1, 2, 0) * np.float32(255 * rms(self._decibels)))
        return self._known[asked]

    @property
    def _decibels(self) -> float:
        asked = self.key.method.get("psnr", PSNR) if self.strength is None else self.strength
        if not isinstance(asked, (int, float)) or not STRONGEST <= asked <= WEAKEST:
            raise UsageError(f"a strength of {str(asked)[:40]} dB; expected {STRONGEST:g} to {WEAKEST:g}")
        return float(asked)
