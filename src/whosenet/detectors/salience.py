"""Where a network looks: Grad-CAM (Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import UsageError
from whosenet.networks.images import Pixels, as_tensor

if TYPE_CHECKING:
    import torch
    from torch import nn

Maps = NDArray[np.float32]


def grad_cam(module: nn.Module, images: Pixels, *, batch: int = 128) -> tuple[Maps, NDArray[np.int64]]:
    """Maps float32 [n, h, w] in 0..1 (each with peak 1) for the predicted classes int64 [n], which come with them.

    Taken where feature maps with more than one place are seen last. Raises UsageError if the network has none.
    """
    parts = [_batch(module, images[i : i + batch]) for i in range(0, len(images), batch)]
    return np.concatenate([maps for maps, _ in parts]), np.concatenate([labels for _, labels in parts])


def _batch(module: nn.Module, images: Pixels) -> tuple[Maps, NDArray[np.int64]]:
    import torch
    from torch.nn import functional as F

    with torch.enable_grad():
        seen, said = _last_maps(module, as_tensor(images).requires_grad_())
        labels = said.argmax(1)
        (slopes,) = torch.autograd.grad(said.gather(1, labels[:, None]).sum(), seen)
    maps = (slopes.mean((2, 3), keepdim=True) * seen).sum(1, keepdim=True).detach().relu()
    large = F.interpolate(maps, images.shape[1:3], mode="bilinear", align_corners=False)[:, 0]
    scaled = large / large.amax((1, 2), keepdim=True).clamp_min(1e-12)
    return scaled.numpy(), labels.numpy()


def _last_maps(module: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    seen: list[torch.Tensor] = []

    def note(_layer: object, _given: object, output: object) -> None:
        if isinstance(output, torch.Tensor) and output.ndim == 4 and min(output.shape[2:]) > 1:
            seen[:] = [output]

    hooks = [layer.register_forward_hook(note) for layer in module.modules()]
    try:
        said = module(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise UsageError("the network has no feature maps to look at (no layer with outputs [n, c, h, w])")
    return seen[0], said.float()
