"""What a service may do to an image before its network sees it, or to the answer before it is sent.

Each is a frozen record of its numbers, so that its `repr` is the Python text that makes it again. Images are float32
[n, c, h, w] in 0..1 before and after; answers are logits float32 [n, k] before, and logarithms of probabilities after.
What looks random is drawn from the image and the seed: the same question gets the same answer, in any batch.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from whosenet.errors import MissingExtra
from whosenet.networks.images import Pixels, as_tensor, as_uint8

if TYPE_CHECKING:
    import torch

FLOOR = 1e-9
"""Stands for a probability that was rounded or hidden to 0, whose logarithm no answer could hold."""


@dataclass(frozen=True)
class Jpeg:
    """Encoded and decoded by Pillow, the codec that services use; `quality` 1..95."""

    quality: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        return as_tensor(np.stack([self._one(image) for image in as_uint8(images)]))

    def _one(self, image: Pixels) -> Pixels:
        try:
            from PIL import Image
        except ImportError as error:
            raise MissingExtra("attacks", "JPEG before inference") from error
        held = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(held, "JPEG", quality=self.quality)
        return np.asarray(Image.open(held), np.uint8).reshape(image.shape)


@dataclass(frozen=True)
class Blur:
    """A Gaussian of `sigma` pixels, cut at three sigma."""

    sigma: float

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        filters = _kornia_filters("blur")
        # The border is reflected, which needs a kernel no wider than the image.
        reach = min(max(1, round(3 * self.sigma)), *(side - 1 for side in images.shape[2:]))
        size = 2 * reach + 1
        blurred: torch.Tensor = filters.gaussian_blur2d(images, (size, size), (self.sigma, self.sigma))
        return blurred.clamp(0, 1)


@dataclass(frozen=True)
class Median:
    """The middle of the `size` x `size` pixels around each, channel by channel; `size` is odd."""

    size: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        smoothed: torch.Tensor = _kornia_filters("median").median_blur(images, (self.size, self.size))
        return smoothed


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of standard deviation `sigma` (in 0..1) on every pixel."""

    sigma: float
    seed: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        import torch

        shape = tuple(images.shape[1:])
        noise = np.stack([draws.standard_normal(shape, np.float32) for draws in _draws(images, self.seed)])
        return (images + self.sigma * torch.from_numpy(noise)).clamp(0, 1)


@dataclass(frozen=True)
class ResizePad:
    """Shrunk to a random side between `smallest` (a share of the old one) and 1, at a random place on black."""

    smallest: float
    seed: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        import torch

        placed = torch.zeros_like(images)
        for row, draws in enumerate(_draws(images, self.seed)):
            placed[row] = self._one(images[row : row + 1], draws)[0]
        return placed

    def _one(self, image: torch.Tensor, draws: np.random.Generator) -> torch.Tensor:
        from torch.nn import functional as F

        height, width = image.shape[2:]
        share = draws.uniform(self.smallest, 1)
        down, across = max(1, round(height * share)), max(1, round(width * share))
        small = F.interpolate(image, (down, across), mode="bilinear", antialias=True, align_corners=False)
        top, left = int(draws.integers(height - down + 1)), int(draws.integers(width - across + 1))
        return F.pad(small, (left, width - across - left, top, height - down - top))


@dataclass(frozen=True)
class Resize:
    """Shrunk to `share` of its sides and enlarged again, both bilinear."""

    share: float

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as F

        height, width = images.shape[2:]
        small = max(1, round(height * self.share)), max(1, round(width * self.share))
        shrunk = F.interpolate(images, small, mode="bilinear", antialias=True, align_corners=False)
        return F.interpolate(shrunk, (height, width), mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Quantise:
    """Every channel of every pixel to one of 2 ** `bits` values."""

    bits: int

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        levels = 2**self.bits - 1
        return (images * levels).round() / levels


@dataclass(frozen=True)
class Rounded:
    """Probabilities to `digits` decimals; classes that tie are told apart by nobody."""

    digits: int

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        # Not torch.round(decimals=...): its intermediate float32 product rounds some halves the other way.
        scale = 10.0**self.digits
        return ((logits.double().softmax(1) * scale).round() / scale).clamp_min(FLOOR).log().float()


@dataclass(frozen=True)
class TopOnly:
    """All of the probability to the most likely class."""

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as F

        return F.one_hot(logits.argmax(1), logits.shape[1]).float().clamp_min(FLOOR).log()


def _draws(images: torch.Tensor, seed: int) -> list[np.random.Generator]:
    """One generator an image, from its pixels as a PNG would hold them."""
    digests = [hashlib.sha256(f"{seed}:".encode() + image.tobytes()).digest() for image in as_uint8(images)]
    return [np.random.default_rng(int.from_bytes(digest[:16], "big")) for digest in digests]


def _kornia_filters(what: str) -> Any:
    try:
        from kornia import filters
    except ImportError as error:
        raise MissingExtra("attacks", f"the {what} before inference") from error
    return filters
