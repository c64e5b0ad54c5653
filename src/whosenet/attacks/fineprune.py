"""Fine-pruning: channels that sleep on clean images are switched off, then the rest is fine-tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from whosenet.attacks.base import Attack, Context
from whosenet.attacks.layers import PROBE, check_labels
from whosenet.attacks.tune import tune
from whosenet.errors import UsageError
from whosenet.networks.images import Images, as_tensor
from whosenet.networks.predict import accuracy, logits

if TYPE_CHECKING:
    import torch
    from torch import nn

Order = NDArray[np.int64]
STEPS = 16
"""Channels are switched off in so many portions; after each the accuracy is looked at."""


class FinePrune(Attack):
    """Switch off last-convolution channels dormant on clean images until accuracy suffers, then fine-tune.

    Source: Liu, Dolan-Gavitt and Garg, RAID 2018. Channels go in increasing order of their mean activation on `count`
    clean images, as long as the accuracy there stays within `tolerance` (0..1) of the start; `share` bounds how many.
    Then the network is fine-tuned and the channels stay off. Deviations: the activation is the ReLU of the
    convolution's output after its batch norm, whose scale and shift are switched off too (the paper's nets have none,
    and a shift would keep the channel alive), whatever a short cut adds later; a sixteenth of the channels at a time.
    """

    name = "fine-prune"
    family = "weights"

    def _run(self, module: nn.Module, images: Images, context: Context, *, tolerance: float = 0.04,
             share: float = 0.95, count: int = 1000, epochs: int = 3, lr: float = 0.01, batch: int = 128,
             augment: bool = True, flip: bool = True) -> nn.Module:  # fmt: skip
        from torch.nn.utils import prune

        if not 0 <= share < 1 or not 0 <= tolerance <= 1 or count < 1:
            raise UsageError(f"{self.name}: share and tolerance lie in 0..1, got {share} and {tolerance}; count from 1")
        check_labels(module, images)
        clean = images.take(np.arange(min(count, len(images))))
        layers = _last_convolution(module, clean)
        order = np.argsort(_activity(module, layers[-1], clean), kind="stable")[: int(share * _width(layers[0]))]
        off = order[: _dormant(module, layers[-1], order, clean, tolerance)]
        masked = _switch_off(layers, off)
        tune(module, images, context, epochs=epochs, lr=lr, batch=batch, augment=augment, flip=flip)
        for layer, name in masked:
            prune.remove(layer, name)
        return module


def _width(layer: nn.Module) -> int:
    """How many output channels a convolution has."""
    return int(layer.out_channels)


def _last_convolution(module: nn.Module, images: Images) -> list[nn.Module]:
    """The convolution called last, and the batch norm that takes what it returns, if one does."""
    import torch
    from torch import nn
    from torch.nn.modules.batchnorm import _BatchNorm

    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    found: list[nn.Module] = []
    returned: list[object] = [None]

    def note(layer: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if isinstance(layer, convolutions):
            found[:], returned[:] = [layer], [output]
        elif inputs[0] is returned[0] and layer.affine:
            found.append(layer)

    hooks = [m.register_forward_hook(note) for m in module.modules() if isinstance(m, (*convolutions, _BatchNorm))]
    try:
        with torch.inference_mode():
            module.eval()(as_tensor(images.x[:PROBE]))
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise UsageError(f"{type(module).__name__} calls no convolution; fine-prune needs one")
    return found


def _activity(module: nn.Module, layer: nn.Module, images: Images) -> NDArray[np.float64]:
    """float64 [channels]: mean over images and places of what is positive in the layer's output."""
    import torch

    sums: list[torch.Tensor] = []

    def note(_layer: object, _inputs: object, output: torch.Tensor) -> None:
        sums.append(output.clamp(min=0).double().flatten(2).mean(2).sum(0))

    hook = layer.register_forward_hook(note)
    try:
        logits(module, images.x)
    finally:
        hook.remove()
    return np.asarray(torch.stack(sums).sum(0).cpu().numpy() / len(images), np.float64)


def _dormant(module: nn.Module, layer: nn.Module, order: Order, images: Images, tolerance: float) -> int:
    """How many of the channels `order` the layer can do without, in sixteenths, before the accuracy falls too low."""
    least, best, off = accuracy(module, images) - tolerance, 0, order[:0]

    def silence(_layer: object, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        output[:, off.copy()] = 0
        return output

    hook = layer.register_forward_hook(silence)
    try:
        for portion in range(1, STEPS + 1):
            off = order[: len(order) * portion // STEPS]
            if accuracy(module, images) < least:
                break
            best = len(off)
    finally:
        hook.remove()
    return best


def _switch_off(layers: list[nn.Module], off: Order) -> list[tuple[nn.Module, str]]:
    """Hold the channels `off` of the layers at zero; returns the masked parameters, for `prune.remove`."""
    import torch
    from torch.nn.utils import prune

    masked = [(m, n) for m in layers for n in ("weight", "bias") if getattr(m, n) is not None]
    for layer, name in masked:
        mask = torch.ones_like(getattr(layer, name))
        mask[off.copy()] = 0
        prune.custom_from_mask(layer, name, mask)
    return masked
