"""Another device, for a machine that has none: double precision stands in for it.

What is moved by `Tensor.to(weight.device, weight.dtype)` is converted. What is not meets numbers of the other kind:
layers refuse them by themselves, and inside `strict()` every other operation does, too, as between two devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from whosenet.networks import place

MOVES = {"_to_copy", "copy_", "clone", "to", "detach", "alias"}


def elsewhere(module: nn.Module) -> nn.Module:
    """`place` for a device that is none."""
    place.hook(module.double())
    return module


class _Strict(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        found = {x.dtype for x in tree_leaves((args, kwargs or {})) if isinstance(x, torch.Tensor) and x.ndim}
        if name not in MOVES and {torch.float32, torch.float64} <= found:
            raise AssertionError(f"{name} got numbers from here and from elsewhere")
        return func(*args, **(kwargs or {}))


@contextmanager
def strict() -> Iterator[None]:
    with _Strict():
        yield
