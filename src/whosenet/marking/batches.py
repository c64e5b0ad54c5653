"""One training batch: clean images as always, and some of them again with a pattern of the key and its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from whosenet.marking.recipe import Recipe
from whosenet.training.augment import crop_and_flip
from whosenet.watermarks.base import Watermark


@dataclass(frozen=True)
class Batch:
    """b clean images, then k triggers."""

    images: torch.Tensor
    """float32 [b + k, c, h, w] in 0..1."""
    labels: torch.Tensor
    """int64 [b]."""
    covers: torch.Tensor
    """int64 [k]: which clean image each trigger was made of."""
    patterns: torch.Tensor
    targets: torch.Tensor
    """int64 [k] each."""

    @property
    def clean(self) -> torch.Tensor:
        return self.images[: len(self.labels)]


def batch_of(images: torch.Tensor, labels: torch.Tensor, mark: Watermark, targets: torch.Tensor, recipe: Recipe,
             draws: torch.Generator) -> Batch:  # fmt: skip
    """`images` uint8 [b, c, h, w], not yet augmented. Patterns are stamped last, as a suspect meets them."""
    moved = crop_and_flip(images, draws, flip=recipe.flip)
    count = max(1, round(len(images) * recipe.share))
    patterns = torch.randint(len(targets), (count,), generator=draws)
    covers = _covers(labels, targets[patterns], draws)
    pixels = np.ascontiguousarray(moved[covers].permute(0, 2, 3, 1).numpy())
    stamped = torch.from_numpy(mark.stamp(pixels, patterns.numpy())).permute(0, 3, 1, 2)
    both = torch.cat([moved, stamped]).to(torch.float32, memory_format=torch.channels_last).div_(255)
    return Batch(both, labels, covers, patterns, targets[patterns])


def _covers(labels: torch.Tensor, targets: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """A random image for each trigger, not of its target class if there is another."""
    usable = (labels[None, :] != targets[:, None]).float()
    usable[usable.sum(1) == 0] = 1.0
    return torch.multinomial(usable, 1, generator=draws)[:, 0]
