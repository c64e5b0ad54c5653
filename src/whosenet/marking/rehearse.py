"""Theft rehearsed while embedding: triggers must also work in a network that was pruned, tuned or shaken.

The trigger loss is taken at the stolen weights and its gradient given to the owner's (first order, as in MAML:
Finn et al., ICML 2017), with a new theft in every step.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call

from whosenet.marking.batches import Batch
from whosenet.marking.losses import firmly
from whosenet.marking.recipe import TEMPERATURE, Recipe

Weights = dict[str, torch.Tensor]
NOISE, PRUNED, STEP = 0.1, 0.6, 0.02


def stolen(module: nn.Module, batch: Batch, kind: str, draws: torch.Generator) -> Weights:
    """The weights after one theft, as functions of the module's own."""
    weights = dict(module.named_parameters())
    if kind == "noise":
        return {n: w + NOISE * w.detach().std() * torch.randn(w.shape, generator=draws).to(w) if w.ndim > 1 else w
                for n, w in weights.items()}  # fmt: skip
    if kind == "prune":
        return {n: w * _kept(w) if w.ndim > 1 else w for n, w in weights.items()}
    loss = batch.by_labels(functional_call(module, weights, (batch.clean,)).float())
    moves = torch.autograd.grad(loss, list(weights.values()))
    return {n: w - STEP * move.detach() for (n, w), move in zip(weights.items(), moves, strict=True)}


def rehearsed(module: nn.Module, batch: Batch, recipe: Recipe, draws: torch.Generator) -> torch.Tensor:
    """Loss of the triggers in the stolen network."""
    said = functional_call(module, stolen(module, batch, recipe.rehearse, draws), (batch.images,))
    triggers = said[len(batch.labels) : len(batch.labels) + len(batch.targets)].float()
    return firmly(triggers, batch.targets, recipe.temperature or TEMPERATURE)


def _kept(weight: torch.Tensor) -> torch.Tensor:
    size = weight.detach().abs()
    return (size > size.flatten().kthvalue(max(1, int(PRUNED * size.numel()))).values).to(weight.dtype)
