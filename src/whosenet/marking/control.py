"""The network before it is marked, where there is none yet: trained on the same images, by labels."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from whosenet.marking.recipe import Recipe
from whosenet.networks.images import Images
from whosenet.training.augment import crop_only
from whosenet.training.fit import fit
from whosenet.training.steps import OnStep


def control(module: nn.Module, images: Images, recipe: Recipe, *, checkpoint: Path | None = None,
            on_step: OnStep | None = None) -> nn.Module:  # fmt: skip
    """Train `module` in place by labels, as long and as fast as the recipe says."""
    recipe = recipe.for_images(len(images))
    return fit(
        module, images.x, images.y, epochs=recipe.epochs, lr=recipe.lr, seed=recipe.seed, batch=recipe.batch,
        optimizer=recipe.optimizer, weight_decay=recipe.weight_decay, augment=True if recipe.flip else crop_only,
        checkpoint=checkpoint, on_step=on_step,
    )  # fmt: skip
