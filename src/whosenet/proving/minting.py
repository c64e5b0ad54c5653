"""What a new key's commitment binds about its mark, told without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from whosenet.hiding import place
from whosenet.hiding.strength import PSNR
from whosenet.keys.key import METHOD


def method(pair: str | Path | None = None, psnr: float = PSNR) -> dict[str, Any]:
    """`pair`: a file, kept under the name given here (default: the pair that ships). Raises UnreadableInput."""
    named = str(pair or place.SHIPPED)
    return {**METHOD, "psnr": psnr, "pair": named, "hiding": place.digest(named)}
