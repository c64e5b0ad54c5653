"""Which architecture a network is of, as far as its tensors tell."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

Shapes = tuple[tuple[int, ...], ...]


def shapes_of(module: nn.Module) -> Shapes:
    """The shapes of all parameters and buffers, sorted: neither their names nor their order count."""
    return tuple(sorted(tuple(t.shape) for t in module.state_dict().values()))


def architecture_of(module: nn.Module) -> str:
    """SHA-256 (hex) of the sorted shapes. Networks that differ in strides, activations or wiring alone look alike."""
    return hashlib.sha256(repr(shapes_of(module)).encode()).hexdigest()
