"""What happens to a carrier between hiding and reading: 8 bits, JPEG, resizing, blur, dropout, noise.

All with gradients, so that R and H learn to get through (UDH's robust mode; JPEG by kornia). One kind a batch.
"""

from __future__ import annotations

import torch
from torch.nn import functional as F

KINDS = {"none": 0.2, "jpeg": 0.55, "resize": 0.1, "blur": 0.05, "dropout": 0.05, "noise": 0.05}
"""Kind -> share of the batches."""


def rounded(images: torch.Tensor) -> torch.Tensor:
    """To 8 bits, the gradient passed straight through."""
    images = images.clamp(0, 1)
    return images + ((images * 255).round() / 255 - images).detach()


def travel(images: torch.Tensor, covers: torch.Tensor, kind: str, draws: torch.Generator) -> torch.Tensor:
    """`images` and `covers` float32 [n, 3, h, w] in 0..1, already rounded; how strong follows from `draws`."""
    if kind == "jpeg":
        from kornia.enhance import jpeg_codec_differentiable

        sent: torch.Tensor = jpeg_codec_differentiable(images, _between(len(images), 50, 95, draws))
        return sent
    if kind == "resize":
        return _resized(images, float(_between(1, 0.6, 1.6, draws)))
    if kind == "blur":
        return _blurred(images, float(_between(1, 0.3, 0.8, draws)))
    if kind == "dropout":
        lost = (torch.rand(images[:, :1].shape, generator=draws) < 0.3).to(images.dtype)
        return images * (1 - lost) + covers * lost
    if kind == "noise":
        return (images + 0.02 * torch.randn(images.shape, generator=draws)).clamp(0, 1)
    return images


def drawn(draws: torch.Generator) -> str:
    """One kind by its share."""
    shares = torch.tensor(list(KINDS.values()))
    return list(KINDS)[int(torch.multinomial(shares, 1, generator=draws))]


def _between(count: int, low: float, high: float, draws: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, generator=draws)


def _resized(images: torch.Tensor, scale: float) -> torch.Tensor:
    """There and back."""
    side = images.shape[-2:]
    there = (max(8, round(side[0] * scale)), max(8, round(side[1] * scale)))
    small = F.interpolate(images, size=there, mode="bilinear", antialias=True)
    return F.interpolate(small, size=side, mode="bilinear", antialias=True)


def _blurred(images: torch.Tensor, sigma: float) -> torch.Tensor:
    from kornia.filters import gaussian_blur2d

    blurred: torch.Tensor = gaussian_blur2d(images, (3, 3), (sigma, sigma))
    return blurred
