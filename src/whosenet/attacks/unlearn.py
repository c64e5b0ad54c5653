"""Unlearning: patches that lead to each class are reverse-engineered, and the network is trained to ignore them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from whosenet.attacks.base import Attack, Context
from whosenet.attacks.layers import check_labels
from whosenet.attacks.student import seed_for
from whosenet.errors import UsageError
from whosenet.networks.images import Images
from whosenet.networks.predict import logits

if TYPE_CHECKING:
    import torch
    from torch import nn

    from whosenet.detectors.inversion import Inverted
    from whosenet.training.augment import Augment


class Unlearn(Attack):
    """Neural Cleanse's patching: invert a trigger for every class, train on images that wear one under their label.

    Source: Wang et al., Neural Cleanse, IEEE S&P 2019, section 6 (unlearning: one epoch, a fifth of the images with the
    trigger). Deviations: the triggers of all classes, not only of those that the detector accuses, so that a mark it
    misses is attacked, too; `steps` of descent a class. `share` of every batch (0..1] wears one; `flip` off where left
    and right differ.
    """

    name = "unlearn"
    family = "training"

    def _run(
        self,
        module: nn.Module,
        images: Images,
        context: Context,
        *,
        steps: int = 150,
        count: int = 1000,
        share: float = 0.2,
        epochs: int = 2,
        lr: float = 0.01,
        batch: int = 128,
        flip: bool = True,
    ) -> nn.Module:
        from whosenet.training.fit import fit

        if steps < 1 or count < 1 or not 0 < share <= 1:
            raise UsageError(
                f"{self.name} needs steps and count from 1 and share in 0..1, got {steps}, {count}, {share}"
            )
        check_labels(module, images)
        classes, seed = logits(module, images.x[:2]).shape[1], seed_for(self.name, context.seed)
        training = epochs * -(-len(images) // batch)
        total = classes + training
        found = _inverted(module, images.take(np.arange(min(count, len(images)))), classes, steps, seed, context, total)
        return fit(
            module, images.x, images.y, epochs=epochs, lr=lr, batch=batch, seed=seed,
            augment=wearing(found, share, flip),
            on_step=lambda done, of: context.on_step(classes * of + done * training, of * total),
        )  # fmt: skip


def _inverted(
    module: nn.Module, images: Images, classes: int, steps: int, seed: int, context: Context, total: int
) -> list[Inverted]:
    from whosenet.detectors.inversion import invert

    found = []
    asking = [p for p in module.parameters() if p.requires_grad]
    for parameter in asking:
        parameter.requires_grad_(False)
    for target in range(classes):
        found.append(invert(module.eval(), images.x, target, steps=steps, batch=64, seed=(seed + target) % 2**63))
        context.on_step(target + 1, total)
    for parameter in asking:
        parameter.requires_grad_(True)
    return found


def wearing(found: Sequence[Inverted], share: float, flip: bool) -> Augment:
    """Crop (and flip) float32 [b, c, h, w] in 0..1, then put one of the triggers on the first `share` of the batch."""
    from whosenet.training.augment import crop_and_flip

    def augment(images: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        import torch

        images = crop_and_flip(images, draws, flip=flip)
        which = torch.randint(len(found), (max(1, round(share * len(images))),), generator=draws)
        worn = [found[int(k)].on(image[None]) for k, image in zip(which, images, strict=False)]
        return torch.cat([*worn, images[len(which) :]])

    return augment
