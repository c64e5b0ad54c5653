"""A low-rank adapter, trained and merged into the weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from whosenet.attacks.base import Attack, Context
from whosenet.attacks.layers import check_labels, weighted
from whosenet.errors import UsageError
from whosenet.networks.images import Images

if TYPE_CHECKING:
    from torch import nn


class LoraMerge(Attack):
    """W + (alpha / rank) B A on every linear and ungrouped convolution layer: A and B are trained, then merged.

    Source: Hu et al., LoRA, ICLR 2022; a convolution's kernel counts as a matrix of outputs by the rest (as in peft's
    `merge_and_unload`, without peft: it would bring transformers along for these thirty lines). A starts as Kaiming's
    uniform, B as zeros. Deviations: no dropout of the adapter, `alpha` is the rank; batch norm stays as it was.
    """

    name = "lora-merge"
    family = "laundering"

    def _run(self, module: nn.Module, images: Images, context: Context, *, rank: int = 4, epochs: int = 2,
             lr: float = 0.05, batch: int = 128, augment: bool = True, flip: bool = True) -> nn.Module:  # fmt: skip
        from torch.nn.utils.parametrize import remove_parametrizations

        from whosenet.training.augment import crop_only
        from whosenet.training.fit import fit

        if rank < 1:
            raise UsageError(f"{self.name}: rank is 1 or more, got {rank}")
        check_labels(module, images)
        layers = [m for m in weighted(module) if getattr(m, "groups", 1) == 1]
        if not layers:
            raise UsageError(f"{type(module).__name__} has no linear or ungrouped convolution layer for an adapter")
        adapters = [_adapt(layer, rank) for layer in layers]
        fit(module, images.x, images.y, epochs=epochs, lr=lr, batch=batch, seed=context.seed, keep_eval=True,
            augment=augment and (flip or crop_only), on_step=context.on_step,
            parameters=[p for a in adapters for p in a.parameters()])  # fmt: skip
        for layer in layers:
            remove_parametrizations(layer, "weight", leave_parametrized=True)
        return module


def _adapt(layer: nn.Module, rank: int) -> nn.Module:
    """Put an adapter that changes nothing yet on the layer's weight; drawn from torch's generator, which is seeded."""
    import torch
    from torch import nn
    from torch.nn.utils.parametrize import register_parametrization

    class LowRank(nn.Module):  # type: ignore[misc]
        def __init__(self, outside: int, inside: int, least: int) -> None:
            super().__init__()
            self.a, self.b = nn.Parameter(torch.empty(least, inside)), nn.Parameter(torch.zeros(outside, least))
            nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return weight + (self.b @ self.a).reshape(weight.shape)

    outside, inside = len(layer.weight), layer.weight[0].numel()
    made = LowRank(outside, inside, min(rank, outside, inside))
    register_parametrization(layer, "weight", made)
    return made
