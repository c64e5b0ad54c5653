"""Adversarial training: the owner's network is trained on until small perturbations no longer change its answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from whosenet.attacks.base import Attack, Context
from whosenet.attacks.student import seed_for
from whosenet.errors import MissingExtra, UsageError
from whosenet.networks.images import Images

if TYPE_CHECKING:
    import torch
    from torch import nn

    from whosenet.training.augment import Augment


class AdversarialTraining(Attack):
    """Further training from the owner's weights on images moved against the network as it is at every step.

    Source: Madry et al., Towards Deep Learning Models Resistant to Adversarial Attacks, ICLR 2018 (projected
    gradient descent in the maximum norm, by foolbox); half of every batch stays clean as in Kurakin et al.,
    Adversarial Machine Learning at Scale, ICLR 2017. Deviations: few steps and few epochs, since the thief wants to
    move the boundary and keep the accuracy; an image is moved away from what the network says of it, not from its
    label (Kurakin et al., against label leaking).

    `epsilon`: largest change of a pixel, in 1/255. `steps` of the descent, each of 2.5 * epsilon / steps. `share` of
    every batch that is attacked, in 0..1. `flip` off where left and right differ (traffic signs).
    """

    name: ClassVar[str] = "adversarial-training"
    family: ClassVar[str] = "training"

    def _run(
        self,
        module: nn.Module,
        images: Images,
        context: Context,
        *,
        epsilon: float = 4.0,
        steps: int = 2,
        share: float = 0.5,
        epochs: int = 4,
        lr: float = 0.02,
        batch: int = 128,
        flip: bool = True,
    ) -> nn.Module:
        from whosenet.training.fit import fit

        if not 0 < epsilon <= 255 or steps < 1 or not 0 < share <= 1:
            raise UsageError(
                f"{self.name} needs epsilon in 0..255, steps >= 1, share in 0..1, got {epsilon}, {steps}, {share}"
            )
        return fit(
            module, images.x, images.y, epochs=epochs, lr=lr, batch=batch, seed=seed_for(self.name, context.seed),
            augment=moving(module, epsilon / 255, steps, share, flip), on_step=context.on_step,
        )  # fmt: skip


def moving(module: nn.Module, epsilon: float, steps: int, share: float, flip: bool) -> Augment:
    """Crop (and flip) float32 [b, c, h, w] in 0..1, then attack the first `share` of the (shuffled) batch."""
    from whosenet.training.augment import crop_and_flip

    try:
        from foolbox.attacks import LinfPGD
        from foolbox.criteria import Misclassification
        from foolbox.models.pytorch import PyTorchModel
    except ImportError as error:
        raise MissingExtra("attacks", "adversarial training") from error
    # The random start keeps a few large steps from training a network that only masks its gradients (Wong et al. 2020).
    descent = LinfPGD(steps=steps, rel_stepsize=2.5 / steps, random_start=True)

    def augment(images: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
        import torch

        images = crop_and_flip(images, draws, flip=flip)
        count = max(1, round(share * len(images)))
        with _frozen(module):
            aim = PyTorchModel(module, bounds=(0, 1), device=next(module.parameters()).device)
            with torch.no_grad():
                says = module(images[:count]).argmax(1)
            moved = descent.run(aim, images[:count], Misclassification(says), epsilon=epsilon)
        return torch.cat([moved.detach(), images[count:]])

    return augment


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients for the weights while the images move; everything as before afterwards."""
    training, asking = module.training, [p for p in module.parameters() if p.requires_grad]
    module.eval()
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        module.train(training)
        for parameter in asking:
            parameter.requires_grad_(True)
