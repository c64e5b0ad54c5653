"""Keys of the population: derived from names, so that a bench is the same everywhere. Real keys are drawn by lot."""

from __future__ import annotations

import hashlib
from typing import Any

from whosenet.hiding import pair
from whosenet.keys.key import Key, mint


def key_of(name: str, *, patterns: int = 4, psnr: float = 34.0, watermark: str = "deephiding") -> Key:
    """The key of an owner called `name`."""
    secret, signing = (hashlib.sha256(f"bench {what} of {name}".encode()).digest() for what in ("secret", "signing"))
    method: dict[str, Any] = {"watermark": watermark, "patterns": patterns, "psnr": psnr}
    if watermark == "deephiding":
        method["hiding"] = pair.load().digest
    return mint(f"Owner of {name}", secret=secret, signing=signing, method=method)
