"""How strong a pattern is, in decibels."""

from __future__ import annotations

PSNR = 34.0
"""Decibels of a carrier unless the key says something else; the trade-off is in docs/methods/deephiding.md."""
LOUD = 28.0
"""Decibels of a second look: a mark embedded at PSNR answers so loud a pattern, and most of it outlives JPEG."""
WEAKEST, STRONGEST = 60.0, 20.0


def rms(psnr: float) -> float:
    """Root mean square (of 0..1) of a pattern that leaves `psnr` decibels."""
    return float(10.0 ** (-psnr / 20))
