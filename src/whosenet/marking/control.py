"""The unmarked control, against which a mark's cost is measured: the same network, images and rate, without a mark."""

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
    """Train `module` in place by the marking recipe, its triggers left out."""
    recipe = recipe.for_images(len(images))
    return fit(
        module, images.x, images.y, epochs=recipe.epochs, lr=recipe.lr, seed=recipe.seed, batch=recipe.batch,
        optimizer=recipe.optimizer, weight_decay=recipe.weight_decay, augment=True if recipe.flip else crop_only,
        checkpoint=checkpoint, on_step=on_step,
    )  # fmt: skip
