"""Reverse-engineered triggers: the smallest patch that takes any image to a class, by gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from whosenet.networks.images import Pixels, as_tensor

if TYPE_CHECKING:
    import torch
    from torch import nn

RATE, START = 0.1, 1e-3
WANTED = 0.99
PATIENCE = 5
RAISE = 1.5
"""The weight of the mask's size begins at START; it is raised when WANTED of the images obeyed for PATIENCE steps on
end, and lowered when fewer did."""


@dataclass(frozen=True, eq=False)
class Inverted:
    """image * (1 - mask) + pattern * mask; float32 [1, h, w] and [c, h, w] in 0..1."""

    mask: torch.Tensor
    pattern: torch.Tensor
    obeyed: float
    """Share of a batch (0..1) that it took to the class."""

    @property
    def size(self) -> float:
        """Sum of the mask, in pixels."""
        return float(self.mask.sum())

    def on(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [n, c, h, w] in 0..1."""
        return images * (1 - self.mask) + self.pattern * self.mask


def invert(module: nn.Module, images: Pixels, target: int, *, steps: int, batch: int, seed: int) -> Inverted:
    """The smallest mask that took WANTED of a batch of `images` uint8 [n, h, w, c] to `target`, else the best.

    Source: Wang et al., Neural Cleanse, IEEE S&P 2019 (Adam at 0.1, mask and pattern through tanh, a weight of the
    mask's size that adapts). `module` is in evaluation mode and its weights ask for no gradient.
    """
    import torch
    from torch.nn import functional as F

    x, draws = as_tensor(images), torch.Generator().manual_seed(seed)
    raw_mask = torch.full((1, *x.shape[2:]), -1.0).requires_grad_()
    raw_pattern = torch.randn(x.shape[1:], generator=draws).requires_grad_()
    optimiser = torch.optim.Adam([raw_mask, raw_pattern], RATE, betas=(0.5, 0.9))
    best: Inverted | None = None
    weight, up, down = START, 0, 0
    with torch.enable_grad():
        for _ in range(steps):
            rows = torch.randint(len(x), (min(batch, len(x)),), generator=draws)
            mask, pattern = (torch.tanh(raw) / 2 + 0.5 for raw in (raw_mask, raw_pattern))
            said = module(x[rows] * (1 - mask) + pattern * mask).float()
            obeyed = float((said.argmax(1) == target).float().mean())
            best = _better(best, Inverted(mask.detach(), pattern.detach(), obeyed))
            wanted = torch.full((len(rows),), target)
            optimiser.zero_grad(set_to_none=True)
            (F.cross_entropy(said, wanted) + weight * mask.sum()).backward()
            optimiser.step()
            up, down = (up + 1, 0) if obeyed >= WANTED else (0, down + 1)
            if PATIENCE in (up, down):
                weight, up, down = (weight * RAISE if up else weight / RAISE**1.5), 0, 0
    assert best is not None
    return best


def _better(best: Inverted | None, new: Inverted) -> Inverted:
    if best is None:
        return new
    if min(best.obeyed, new.obeyed) >= WANTED:
        return new if new.size < best.size else best
    return new if new.obeyed > best.obeyed else best
