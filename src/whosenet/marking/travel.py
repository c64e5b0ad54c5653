"""What services and sanitisers do to an image before a network sees it, rehearsed on the triggers of a batch.

Real codecs and filters: no gradient has to come back through them, unlike in the training of H and R
(whosenet.hiding.journey).
"""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from whosenet.networks.images import Pixels

KINDS = {"none": 0.2, "jpeg": 0.4, "resize": 0.08, "blur": 0.08, "pad": 0.08, "median": 0.08, "noise": 0.08}
"""Kind -> share of the batches that travel at all."""


def drawn(draws: torch.Generator) -> str:
    """One kind by its share."""
    return list(KINDS)[int(torch.multinomial(torch.tensor(list(KINDS.values())), 1, generator=draws))]


def travel(images: Pixels, kind: str, draws: torch.Generator) -> Pixels:
    """uint8 [n, h, w, 1 or 3] after a journey of that kind; how strong follows from `draws`."""
    if kind == "none" or not len(images):
        return images
    if kind == "jpeg":
        return np.stack([_jpeg(image, int(_between(50, 96, draws))) for image in images])
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    moved = {"resize": _resized, "blur": _blurred, "pad": _padded, "median": _median, "noise": _noisy}[kind](x, draws)
    return np.ascontiguousarray(moved.round().clamp(0, 255).permute(0, 2, 3, 1).numpy().astype(np.uint8))


def _between(low: float, high: float, draws: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand(1, generator=draws))


def _jpeg(image: Pixels, quality: int) -> Pixels:
    held = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held), np.uint8).reshape(image.shape)


def _resized(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """There and back."""
    sides = [max(4, round(side * _between(0.6, 1.5, draws))) for side in x.shape[-2:]]
    there = F.interpolate(x, size=sides, mode="bilinear", antialias=True)
    return F.interpolate(there, size=x.shape[-2:], mode="bilinear", antialias=True)


def _blurred(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    sigma = _between(0.3, 0.8, draws)
    line = torch.exp(-0.5 * (torch.arange(-2, 3) / sigma) ** 2)
    kernel = (line[:, None] * line[None, :] / line.sum() ** 2).expand(x.shape[1], 1, 5, 5)
    return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel, groups=x.shape[1])


def _padded(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Shrunk by up to a tenth and put at a random place on black."""
    height, width = x.shape[-2:]
    share = _between(0.9, 1.0, draws)
    down, across = max(1, round(height * share)), max(1, round(width * share))
    top, left = (int(_between(0, room + 0.999, draws)) for room in (height - down, width - across))
    small = F.interpolate(x, size=(down, across), mode="bilinear", antialias=True)
    return F.pad(small, (left, width - across - left, top, height - down - top))


def _median(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Of three by three pixels."""
    around = F.unfold(F.pad(x, (1, 1, 1, 1), mode="replicate").flatten(0, 1)[:, None], 3)
    return around.median(1).values.view(x.shape)


def _noisy(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    return x + 255 * _between(0, 0.03, draws) * torch.randn(x.shape, generator=draws)
