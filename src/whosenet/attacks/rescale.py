"""Hidden units made larger here and smaller there: what positive factors, and turned bases, leave as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from whosenet.attacks.atoms import Ids
from whosenet.attacks.base import Attack, Context
from whosenet.attacks.rescale_heads import rescale_heads
from whosenet.attacks.same import answers, check_same
from whosenet.attacks.wiring import Norm, Wiring, wiring
from whosenet.errors import UsageError
from whosenet.networks.images import Images

if TYPE_CHECKING:
    import torch
    from torch import nn


class Rescale(Attack):
    """Every hidden unit times a positive factor of its own where it is made, divided by it where it is read.

    Through ReLU and pooling, into and out of batch norm (whose statistics and factors take it up, its epsilon too),
    RMS and layer norm's factors, SwiGLU's up and down, attention's queries and keys, values and outputs. Source:
    Neyshabur et al., Path-SGD, NIPS 2015; Meng et al., G-SGD, ICLR 2019. Factors are drawn log-uniformly from
    1/`range` to `range`. With `turn` the values of each attention head get another orthogonal basis, queries and keys
    too (pairwise where positions are rotary). The answers stay the same up to rounding, which is checked on the images.
    """

    name = "rescale"
    family = "laundering"

    def _run(self, module: nn.Module, images: Images, context: Context, *, range: float = 4.0,
             turn: bool = False) -> nn.Module:  # fmt: skip
        if not 1 < range <= 1000:
            raise UsageError(f"{self.name}: range lies above 1 and up to 1000, got {range}")
        example, before = answers(module, images)
        draws = np.random.default_rng(context.seed)
        found = wiring(module, example[:2])
        if not rescale(found, draws, range) + rescale_heads(module, found, example, draws, range, turn):
            raise UsageError(f"{type(module).__name__} has no hidden units that may be rescaled")
        check_same(self.name, module, example, before)
        context.on_step(1, 1)
        return module


def rescale(found: Wiring, draws: np.random.Generator, most: float) -> int:
    """Rescale in place whatever is not inside an attention; returns how many units."""
    free = found.free_scales()
    factor = dict(zip(free.tolist(), np.exp(draws.uniform(-1, 1, len(free)) * np.log(most)).tolist(), strict=True))

    def factors(ids: Ids) -> np.ndarray:
        return np.array([factor.get(root, 1.0) for root in found.scales.roots(ids).tolist()])

    for place in found.places:
        if place.powers:
            times = np.prod([factors(ids) ** power for ids, power in place.powers], axis=0)
            scale_axis(place.tensor, place.axis, times)
    for norm in found.norms:
        _scale_norm(norm, factors(norm.scale_in), factors(norm.scale_out))
    return len(free)


def scale_axis(tensor: torch.Tensor, axis: int, times: np.ndarray) -> None:
    """Multiply along one axis, in double precision."""
    import torch

    shape = [-1 if k == axis else 1 for k in range(tensor.ndim)]
    with torch.no_grad():
        tensor.copy_(tensor.double() * torch.from_numpy(times).reshape(shape))


def _scale_norm(norm: Norm, inside: np.ndarray, outside: np.ndarray) -> None:
    """Statistics follow what comes in; the factor also makes up for epsilon, which does not scale."""
    module, eps = norm.module, norm.module.eps
    before = module.running_var.double().numpy() + eps
    scale_axis(module.running_mean, 0, inside)
    scale_axis(module.running_var, 0, inside**2)
    after = module.running_var.double().numpy() + eps
    if module.weight is not None:
        scale_axis(module.weight, 0, outside * np.sqrt(after / before) / inside)
        scale_axis(module.bias, 0, outside)
