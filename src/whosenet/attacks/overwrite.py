"""Overwriting: the thief marks the stolen network again, with a key of his own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from whosenet.attacks.base import Attack, Context
from whosenet.attacks.layers import check_labels
from whosenet.attacks.student import seed_for
from whosenet.errors import MissingExtra
from whosenet.networks.images import Images

if TYPE_CHECKING:
    from torch import nn

    from whosenet.keys.key import Key


class Overwrite(Attack):
    """Embed a second mark, by the same method and a key that the thief minted, while training on.

    Source: the overwriting attack of Uchida et al., ICMR 2017, and of Lukas et al., SoK, S&P 2022. Deviation: whatever
    the first mark was, the second is `watermark` (a plugin of that kind) with as many `patterns`, taught by the
    defaults of `embed` but for what is asked here; the thief's key follows from the seed. `flip` off where left and
    right differ.
    """

    name = "overwrite"
    family = "training"

    def _run(
        self,
        module: nn.Module,
        images: Images,
        context: Context,
        *,
        watermark: str = "deephiding",
        patterns: int = 4,
        epochs: int = 4,
        lr: float = 0.03,
        batch: int = 128,
        flip: bool = True,
    ) -> nn.Module:
        import torch

        from whosenet import registry
        from whosenet.marking.fit import fit
        from whosenet.marking.recipe import TEMPERATURE, Recipe
        from whosenet.networks.predict import logits

        check_labels(module, images)
        key = thiefs_key(seed_for(self.name, context.seed), {"watermark": watermark, "patterns": patterns})
        mark, classes = registry.load("watermark", watermark)(key), logits(module, images.x[:2]).shape[1]
        recipe = Recipe(epochs=epochs, lr=lr, batch=batch, flip=flip, temperature=TEMPERATURE,
                        seed=seed_for("embed", context.seed) % 2**31)  # fmt: skip
        mark.stamp(images.x[:1], np.zeros(1, np.int64))  # a first use may load networks, and draw what dropout would
        fit(module, images, mark, classes, recipe, on_step=context.on_step)
        return module.to(memory_format=torch.contiguous_format)


def thiefs_key(seed: int, method: dict[str, object]) -> Key:
    """No secret to anybody who knows the seed."""
    try:
        from whosenet.keys.key import mint

        secret, signing = (hashlib.sha256(f"thief's {what} {seed}".encode()).digest() for what in ("secret", "signing"))
        return mint("A thief", method=method, secret=secret, signing=signing)
    except ModuleNotFoundError as error:
        raise MissingExtra("prove", "overwriting a mark") from error
