"""The two networks of universal deep hiding: H makes a pattern of a secret alone, R reads it back.

From Zhang et al., UDH: Universal Deep Hiding (NeurIPS 2020). The seed's H is a U-Net on a secret image of the cover's
size. Ours is the same U-Net on a small periodic tile:
- one pair serves images of any size, because the tile is repeated over the image;
- the reveal net averages over the repetitions, so a carrier may be cropped, and larger ones are read more surely;
- classifiers see textures before they see places, and learn periodic patterns far more easily
  (docs/methods/deephiding.md).
The secret is a square of bits, one a pixel of the tile. `tile` = the cover's side gives the seed's arrangement.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

PEAK = 2.2
"""Largest value of a pattern in multiples of its root mean square, so that no pixel stands out."""


class Hide(nn.Module):  # type: ignore[misc]
    """H: float32 [n, 1, tile, tile] of -1 and 1 to a pattern [n, 3, tile, tile], zero mean, root mean square 1.

    A U-Net with `depth` halvings (the seed: 5 on a full-size secret) and circular borders: tiles join without seams.
    """

    def __init__(self, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        widths = [min(width * 2**level, 4 * width) for level in range(depth + 1)]
        self.first = block(1, widths[0])
        self.down = nn.ModuleList(block(a, b, stride=2) for a, b in zip(widths, widths[1:], strict=False))
        self.up = nn.ModuleList(block(2 * b if b == a else a + b, a) for a, b in zip(widths, widths[1:], strict=False))
        self.last = nn.Conv2d(widths[0], 3, 3, 1, 1, padding_mode="circular")

    def forward(self, secret: torch.Tensor) -> torch.Tensor:
        levels = [self.first(secret)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up in reversed(self.up):
            x = up(torch.cat([F.interpolate(x, scale_factor=2), levels.pop()], 1))
        return bounded(self.last(x))


class Reveal(nn.Module):  # type: ignore[misc]
    """R: images float32 [n, 3, h, w] in 0..1 to the secret, logits [n, tile * tile]; h and w multiples of `tile`.

    Six 3x3 convolutions as in the seed, but the fifth's output is averaged over the tile's repetitions.
    """

    def __init__(self, width: int = 48, tile: int = 8) -> None:
        super().__init__()
        self.tile = tile
        first = [plain(3, width), *(plain(width, width) for _ in range(4))]
        self.look = nn.Sequential(*first, nn.Conv2d(width, width, 3, 1, 1))
        self.read = nn.Sequential(block(width, 64), block(64, 64), nn.Conv2d(64, 1, 3, 1, 1, padding_mode="circular"))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        read: torch.Tensor = self.read(self.folded(images)).flatten(1)
        return read

    def folded(self, images: torch.Tensor) -> torch.Tensor:
        """What is seen, the tiles laid upon each other: [n, width, tile, tile]."""
        seen = self.look((images - 0.5) / 0.25)
        n, channels, height, width = seen.shape
        tile = self.tile
        return seen.view(n, channels, height // tile, tile, width // tile, tile).mean((2, 4))


def bounded(raw: torch.Tensor) -> torch.Tensor:
    """Zero mean a channel, root mean square 1, nothing beyond about PEAK: the seed's tanh, its strength set later."""
    pattern = _unit(raw - raw.mean((2, 3), keepdim=True))
    return _unit(PEAK * torch.tanh(pattern / PEAK))


def _unit(pattern: torch.Tensor) -> torch.Tensor:
    return pattern / pattern.pow(2).mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)


def block(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    """A convolution on a tile whose opposite edges touch."""
    conv = nn.Conv2d(inside, outside, 3, stride, 1, padding_mode="circular", bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside), nn.LeakyReLU(0.1))


def plain(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, 1, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU())
