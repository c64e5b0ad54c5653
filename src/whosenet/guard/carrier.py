"""A stranger's picture: bytes to pixels within limits, or nothing."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np

from whosenet.errors import MissingExtra
from whosenet.networks.images import Pixels

FORMATS = ("PNG", "JPEG")
MAX_BYTES = 1 << 22
MAX_SIDE = 1024


def pixels_of(data: bytes, *, max_bytes: int = MAX_BYTES, max_side: int = MAX_SIDE) -> Pixels:
    """uint8 [h, w, 3]. Raises ValueError, MissingExtra. Sizes are checked before anything is decoded."""
    if len(data) > max_bytes:
        raise ValueError(f"a carrier of {len(data)} bytes; at most {max_bytes}")
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("prove", "reading a carrier") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if max(image.size) > max_side:
                    raise ValueError(f"a carrier of {image.width}x{image.height} pixels; at most {max_side} a side")
                return np.array(image.convert("RGB"), np.uint8)
    # A decoder fed with garbage raises whatever its parts raise; all of it means the same here.
    except (OSError, SyntaxError, EOFError, TypeError, LookupError, MemoryError, ArithmeticError, Warning, struct.error,
            zlib.error) as error:  # fmt: skip
        raise ValueError("a carrier that is no readable PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        raise ValueError("a carrier that unpacks to far too much") from error


def png_of(image: Pixels) -> bytes:
    """uint8 [h, w, 1 or 3] as a PNG file."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image if image.shape[2] == 3 else image[:, :, 0]).save(data, "PNG")
    return data.getvalue()
