"""The triplet loss on features, by which the seed ties triggers to where they belong.

From Schroff et al., FaceNet (CVPR 2015). Anchors are triggers. What positives and negatives the seed chose is not known
to us; both choices here are measured (docs/methods/deephiding.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

from whosenet.errors import UsageError


@contextmanager
def features_of(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """While inside, every forward pass leaves the input of the last linear layer (penultimate features) in the list, on
    the CPU wherever the module is (whosenet.networks.place)."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    if not layers:
        raise UsageError("the network has no linear layer whose input could serve as features; embed with triplet 0")
    seen: list[torch.Tensor] = []
    hook = layers[-1].register_forward_pre_hook(
        lambda _, given: seen.append(given[0].flatten(1).to("cpu", torch.float32))
    )
    try:
        yield seen
    finally:
        hook.remove()


def triplet(anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, usable: torch.Tensor,
            margin: float) -> torch.Tensor:  # fmt: skip
    """Mean of max(0, |a-p|^2 - |a-n|^2 + margin) over `usable` rows, features [n, d] at length 1; else 0."""
    a, p, n = (F.normalize(features.float(), dim=1) for features in (anchor, positive, negative))
    loss = F.relu((a - p).pow(2).sum(1) - (a - n).pow(2).sum(1) + margin)
    return (loss * usable).sum() / usable.sum().clamp_min(1)


def partner(kinds: torch.Tensor, among: torch.Tensor, draws: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """For each of `kinds` [k] a random place in `among` [n] of the same kind: places [k] and whether there is one [k].

    Where `among` is `kinds` itself, nobody is his own partner.
    """
    same = (kinds[:, None] == among[None, :]).float()
    if among is kinds:
        same.fill_diagonal_(0.0)
    there = same.sum(1) > 0
    same[~there] = 1.0
    return torch.multinomial(same, 1, generator=draws)[:, 0], there.float()


def other(kinds: torch.Tensor, among: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """For each of `kinds` [k] a random place in `among` of another kind (any place, if there is none)."""
    different = (kinds[:, None] != among[None, :]).float()
    different[different.sum(1) == 0] = 1.0
    return torch.multinomial(different, 1, generator=draws)[:, 0]
