"""Merging: the owner's weights with somebody else's, tensor by tensor."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from whosenet.attacks.base import Attack, Context
from whosenet.attacks.student import seed_for
from whosenet.errors import UsageError
from whosenet.networks.images import Images
from whosenet.networks.spec import load_weights

if TYPE_CHECKING:
    import torch
    from torch import nn

State = dict[str, "torch.Tensor"]
MODES = ("soup", "task")


class Merge(Attack):
    """Average with `other` weights of the same architecture (a soup), or add what they learnt (task arithmetic).

    `soup`: `share` (0..1) of the owner's weights and the rest of `other`, a weight file; Source: Wortsman et al., Model
    soups, ICML 2022. `task`: base + (owner - base) + scale * (other - base) with `base`, a weight file (default: the
    owner's own weights, which then get the other's changes); Source: Ilharco et al., Editing models with task
    arithmetic, ICLR 2023. Without `other` the thief fine-tunes a copy for `epochs` and merges with that. Strangers
    merged without aligning lose most of their accuracy; the outcome says how much.
    """

    name = "merge"
    family = "laundering"

    def _run(self, module: nn.Module, images: Images, context: Context, *, other: str | None = None,
             base: str | None = None, mode: str = "soup", share: float = 0.5, scale: float = 1.0, epochs: int = 1,
             lr: float = 0.01, batch: int = 128, augment: bool = True, flip: bool = True) -> nn.Module:  # fmt: skip
        from whosenet.training.augment import crop_only

        if mode not in MODES or not 0 <= share <= 1 or not abs(scale) <= 10:
            raise UsageError(
                f"{self.name}: mode is one of {', '.join(MODES)}, share lies in 0..1, scale in -10..10, "
                f"got {mode} {share} {scale}"
            )
        ours = _copied(module)
        if other:
            theirs = _read(module, other)
        else:
            theirs = _tuned(module, images, context, epochs, lr, batch, augment and (flip or crop_only))
        root = _read(module, base) if base else ours
        for name, target in module.state_dict().items():
            if target.is_floating_point():
                a, b, c = ours[name].double(), theirs[name].double(), root[name].double()
                made = share * a + (1 - share) * b if mode == "soup" else a + scale * (b - c)
                # statistics of a batch norm are no weights: task arithmetic could turn a variance negative
                target.copy_(made.clamp_min(0) if name.endswith("running_var") else made)
        context.on_step(1, 1)
        return module


def _copied(module: nn.Module) -> State:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def _read(module: nn.Module, path: str) -> State:
    """Raises UnreadableInput where the file does not fit the owner's architecture."""
    other = copy.deepcopy(module)
    load_weights(other, path)
    return _copied(other)


def _tuned(module: nn.Module, images: Images, context: Context, epochs: int, lr: float, batch: int,
           augment: Any) -> State:  # fmt: skip
    from whosenet.training.fit import fit

    other = copy.deepcopy(module)
    fit(other, images.x, images.y, epochs=epochs, lr=lr, batch=batch, augment=augment,
        seed=seed_for("merge, other", context.seed))  # fmt: skip
    return _copied(other)
