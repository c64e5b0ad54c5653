"""The watermark that stamps nothing."""

from __future__ import annotations

from whosenet.networks.images import Pixels
from whosenet.watermarks.base import Numbers, Watermark


class Null(Watermark):
    """Everything must come out at chance on it."""

    name = "null"

    def stamp(self, covers: Pixels, patterns: Numbers) -> Pixels:
        return covers.copy()
