"""One training batch: clean images as always, and some of them again with a pattern of the key and its class."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.nn import functional as F

from whosenet.marking.recipe import Recipe
from whosenet.training.augment import crop_and_flip
from whosenet.watermarks.base import Watermark

STRANGERS, FIRST_STRANGER = 256, 1_000_000
"""Patterns that are to change nothing: so many, with numbers that no verification asks."""


@dataclass(frozen=True)
class Batch:
    """b clean images, then k triggers, then d images with patterns that are not the key's."""

    images: torch.Tensor
    """float32 [b + k + d, c, h, w] in 0..1."""
    labels: torch.Tensor
    """int64 [b]."""
    covers: torch.Tensor
    """int64 [k]: which clean image each trigger was made of."""
    patterns: torch.Tensor
    targets: torch.Tensor
    """int64 [k] each."""

    strangers: torch.Tensor
    """int64 [d]: which clean image each stranger's pattern was put on; its label stays."""

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
    strangers = torch.randint(len(images), (round(len(images) * recipe.strangers),), generator=draws)
    other = FIRST_STRANGER + torch.randint(STRANGERS, (len(strangers),), generator=draws)
    rows, shown = torch.cat([covers, strangers]), torch.cat([patterns, other])
    pixels = np.ascontiguousarray(moved[rows].permute(0, 2, 3, 1).numpy())
    stamped = torch.from_numpy(mark.stamp(pixels, shown.numpy())).permute(0, 3, 1, 2)
    both = torch.cat([moved, stamped]).to(torch.float32, memory_format=torch.channels_last).div_(255)
    made = Batch(both, labels, covers, patterns, targets[patterns], strangers)
    return travelled(made, draws) if recipe.journeys and _lot(draws) < recipe.journeys else made


def travelled(batch: Batch, draws: torch.Generator) -> Batch:
    """The batch after a service had its stamped images in hand: JPEG, resizing, blur, dropout or noise."""
    from whosenet.hiding.journey import KINDS, drawn, travel

    kind = drawn(draws)
    if kind == next(iter(KINDS)):
        return batch
    first = len(batch.labels)
    stamped, covers = batch.images[first:], batch.images[torch.cat([batch.covers, batch.strangers])]
    grey = stamped.shape[1] == 1
    with torch.no_grad():
        moved = travel(_whole(stamped), _whole(covers), kind, draws).clamp(0, 1)
    moved = moved[:, :, : stamped.shape[2], : stamped.shape[3]]
    images = torch.cat([batch.images[:first], moved.mean(1, keepdim=True) if grey else moved])
    return replace(batch, images=images.contiguous(memory_format=torch.channels_last))


def _whole(images: torch.Tensor) -> torch.Tensor:
    """Three channels and sides that are multiples of 16, as JPEG's blocks want them; edges repeated."""
    beyond = [-side % 16 for side in images.shape[-2:]]
    padded = F.pad(images, (0, beyond[1], 0, beyond[0]), mode="replicate")
    return padded.expand(-1, 3, -1, -1).contiguous()


def _lot(draws: torch.Generator) -> float:
    return float(torch.rand(1, generator=draws))


def _covers(labels: torch.Tensor, targets: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """A random image for each trigger, not of its target class if there is another."""
    usable = (labels[None, :] != targets[:, None]).float()
    usable[usable.sum(1) == 0] = 1.0
    return torch.multinomial(usable, 1, generator=draws)[:, 0]
