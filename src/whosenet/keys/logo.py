"""The logo of an identity: a small RGB image kept in the key."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile, MissingExtra, UnreadableInput

Logo = NDArray[np.uint8]
"""uint8 [h, w, 3], RGB."""
SIDE = 256
"""Longest side kept."""
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
"""Raster formats only: an EPS or PDF would start a program."""
MAX_PIXELS = 1 << 26
MAX_BYTES = 1 << 26


def read(path: str | Path) -> Logo:
    """A picture from a file, transparent parts on white, at most 256 pixels a side. Raises UnreadableInput."""
    image = _pillow()
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise MalformedFile(path, f"is larger than {MAX_BYTES >> 20} MiB; give a smaller logo")
        with image.open(path, formats=FORMATS) as found:
            if found.width * found.height > MAX_PIXELS:
                raise MalformedFile(path, f"has {found.width} x {found.height} pixels; give a smaller logo")
            picture = found.convert("RGBA")
        white = image.new("RGBA", picture.size, "white")
        return fitted(np.asarray(image.alpha_composite(white, picture).convert("RGB"), np.uint8))
    except FileNotFoundError as error:
        raise UnreadableInput(path, "does not exist; check the path of the logo") from error
    except (OSError, ValueError, SyntaxError, EOFError, OverflowError, struct.error) as error:
        raise MalformedFile(path, f"is no readable image; give one of {', '.join(FORMATS)}") from error


def fitted(picture: Logo) -> Logo:
    """uint8 [h, w, 3] with its longest side at most 256, its proportions kept. Raises ValueError on other arrays."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"the logo must be uint8 [h, w, 3], got {picture.dtype} {list(picture.shape)}")
    height, width = picture.shape[:2]
    longest = max(height, width)
    if longest <= SIDE:
        return picture
    image = _pillow()
    size = (max(1, round(width * SIDE / longest)), max(1, round(height * SIDE / longest)))
    return np.asarray(image.fromarray(np.ascontiguousarray(picture)).resize(size, image.Resampling.LANCZOS), np.uint8)


def checked(picture: Logo) -> Logo:
    """A read-only copy of a logo as keys hold it. Raises ValueError."""
    if picture.ndim != 3 or fitted(picture[: SIDE + 1, : SIDE + 1]).shape != picture.shape:
        raise ValueError(f"the logo is {list(picture.shape)}; expected [h, w, 3], at most {SIDE} a side")
    kept = np.array(picture, np.uint8, order="C")
    kept.setflags(write=False)
    return kept


def digest(picture: Logo | None) -> str:
    """SHA-256 (hex) of size and pixels; empty for no logo."""
    if picture is None:
        return ""
    height, width = picture.shape[:2]
    return hashlib.sha256(f"whosenet/logo/1/{height}x{width}/".encode() + picture.tobytes()).hexdigest()


def _pillow() -> Any:
    """Raises MissingExtra."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("prove", "a logo") from error
    return Image
