"""Carriers as picture files: any picture in, PNG out."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from whosenet import files
from whosenet.errors import UsageError
from whosenet.keys.key import Key
from whosenet.networks.images import Pixels, read_image
from whosenet.proving.questions import watermark_of
from whosenet.proving.showing import Shown, reveal, trigger

ENDING = ".png"


def carrier(image: str | Path, key: Key, out: str | Path, pattern: int) -> tuple[float, float]:
    """Write the picture with the pattern; its PSNR (dB) and SSIM. Raises UsageError, UnreadableInput."""
    from PIL import Image

    if Path(out).suffix.lower() != ENDING:
        raise UsageError(f"{out}: carriers are written without loss; give -o NAME{ENDING}")
    cover = read_image(Path(image))
    stamped = trigger(cover, key, pattern)
    data = io.BytesIO()
    Image.fromarray(stamped).save(data, "PNG")
    files.replaced(Path(out), lambda file: file.write(data.getvalue()))
    return watermark_of(key).quality(cover[None], np.array([pattern]))


def revealed(images: Sequence[str | Path], key: Key) -> Shown:
    """From pictures of one size. Raises UsageError, UnreadableInput."""
    pixels: list[Pixels] = [read_image(Path(image)) for image in images]
    shapes = sorted({p.shape for p in pixels})
    if len(shapes) > 1:
        raise UsageError(f"pictures of several sizes, {shapes[:3]}; give those of one size")
    return reveal(np.stack(pixels), key)
