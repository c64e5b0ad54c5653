"""Layers whose weights are stored transposed. Folders of attacked networks import this module."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def kinds() -> tuple[type[nn.Module], ...]:
    return (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


SETTINGS = ("stride", "padding", "dilation", "groups")


class Transposed(nn.Module):  # type: ignore[misc]
    """A linear or convolution layer with its weight as [..., in, out]; the inputs' and outputs' shapes stay."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        rank = layer.weight.ndim
        # out, in, h, w -> h, w, in, out, and back
        self._order = (*range(2, rank), 1, 0)
        self._back = (rank - 1, rank - 2, *range(rank - 2))
        self.weight = nn.Parameter(layer.weight.detach().permute(self._order).contiguous())
        self.bias = layer.bias
        object.__setattr__(self, "_kind", type(layer))
        self._settings = {
            n: getattr(layer, n) for n in ("stride", "padding", "dilation", "groups") if hasattr(layer, n)
        }
        if getattr(layer, "padding_mode", "zeros") != "zeros":
            raise ValueError("only zero padding is known")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight: Any = self.weight.permute(self._back)
        if not self._settings:
            return nn.functional.linear(x, weight, self.bias)
        run = {3: nn.functional.conv1d, 4: nn.functional.conv2d, 5: nn.functional.conv3d}[weight.ndim]
        answer: torch.Tensor = run(x, weight.contiguous(), self.bias, **self._settings)
        return answer


def transposed(module: nn.Module, names: Iterable[str]) -> nn.Module:
    """In place: the layers of these names store their weights transposed."""
    for name in names:
        place, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(place), leaf, Transposed(module.get_submodule(name)))
    return module
