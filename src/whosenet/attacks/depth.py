"""Networks with blocks left out or their end cut off. Folders of attacked networks import this module."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


class Cut(nn.Identity):  # type: ignore[misc]
    """Stands where a block was."""


class _Reached(Exception):  # noqa: N818 (a signal, no error)
    def __init__(self, value: torch.Tensor) -> None:
        super().__init__()
        self.value = value


def _stop(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
    raise _Reached(output)


class Truncated(nn.Module):  # type: ignore[misc]
    """What `network` computes up to the layer `last`, averaged over places, under a linear head."""

    def __init__(self, network: nn.Module, last: str, dropped: Iterable[str], width: int, classes: int) -> None:
        super().__init__()
        self.network, self.last, self.dropped = network, last, tuple(dropped)
        self.head = nn.Linear(width, classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """float32 [n, width], rectified."""
        hook = self.network.get_submodule(self.last).register_forward_hook(_stop)
        try:
            self.network(x)
        except _Reached as reached:
            value = torch.relu(reached.value)
            # channels come first for images and last for tokens
            return value.flatten(2).mean(2) if value.ndim > 3 else value.mean(1) if value.ndim == 3 else value
        finally:
            hook.remove()
        raise ValueError(f"the network does not reach {self.last}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.head(self.features(x))
        return answer


def skipped(module: nn.Module, names: Iterable[str]) -> nn.Module:
    """In place: the blocks of these names hand on what they are given."""
    for name in names:
        place, _, leaf = name.rpartition(".")
        setattr(module.get_submodule(place), leaf, Cut())
    return module


def ended(module: nn.Module, last: str, dropped: Iterable[str], width: int, classes: int) -> Truncated:
    """Up to `last` under a new head; the layers that came later are taken out, and their weights with them."""
    names = tuple(dropped)
    skipped(module, names)
    return Truncated(module, last, names, width, classes)


def cut(module: nn.Module, blocks: Iterable[str], last: str | None, dropped: Iterable[str], width: int,
        classes: int) -> nn.Module:  # fmt: skip
    """As `depth-cut` made it, freshly initialised."""
    skipped(module, blocks)
    return module if last is None else ended(module, last, dropped, width, classes)
