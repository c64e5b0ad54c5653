"""Whether a network still says the same: laundering that changes the answers is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whosenet.errors import UsageError
from whosenet.networks.images import Images, as_tensor

if TYPE_CHECKING:
    import torch
    from torch import nn

PROBE = 16
"""So many images are looked at, beside as many of noise."""
LARGEST = 1e-3
"""Most that a logit may change, as a share of the spread of the logits: float32 adds up in another order."""


def answers(module: nn.Module, images: Images) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and noise, float32 [n, c, h, w] in 0..1, and the module's logits for them."""
    import torch

    some = as_tensor(images.x[:PROBE])
    example = torch.cat([some, torch.rand(some.shape, generator=torch.Generator().manual_seed(0))])
    with torch.inference_mode():
        return example, module.eval()(example)


def difference(module: nn.Module, example: torch.Tensor, before: torch.Tensor) -> float:
    """Largest change of a logit as a share of the logits' spread over the examples."""
    import torch

    with torch.inference_mode():
        return float((module.eval()(example) - before).abs().max() / before.std().clamp_min(1e-12))


def check_same(name: str, module: nn.Module, example: torch.Tensor, before: torch.Tensor) -> None:
    """UsageError if the answers changed."""
    changed = difference(module, example, before)
    if not changed <= LARGEST:
        raise UsageError(
            f"{name} would change this network's answers (by {changed:.2g} of their spread); its code does something "
            "with its hidden units that the graph does not show"
        )
