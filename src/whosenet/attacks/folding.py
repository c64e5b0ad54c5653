"""A network without the batch norms that were folded into other layers. Folders of attacked networks import this."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

Pair = tuple[str, str]


class Gone(nn.Identity):  # type: ignore[misc]
    """Stands where a batch norm was; `pair` says into which layer it went."""

    def __init__(self, pair: Pair) -> None:
        super().__init__()
        self.pair = pair


def folded(module: nn.Module, pairs: Iterable[Pair]) -> nn.Module:
    """In place: the first of each pair has a bias (zeros if it had none), the second does nothing."""
    for first, second in pairs:
        layer = module.get_submodule(first)
        if layer.bias is None:
            layer.bias = nn.Parameter(torch.zeros(len(layer.weight), dtype=layer.weight.dtype))
        place, _, leaf = second.rpartition(".")
        setattr(module.get_submodule(place), leaf, Gone((first, second)))
    return module
