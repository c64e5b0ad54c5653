"""One training batch: clean images as always, and some of them again with a pattern of the key and its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from whosenet.marking.recipe import SHARE, Recipe
from whosenet.marking.travel import drawn, travel
from whosenet.networks.images import Pixels
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
             draws: torch.Generator, *, gain: float = 1.0) -> Batch:  # fmt: skip
    """`images` uint8 [b, c, h, w], not yet augmented. Patterns are stamped last, as a suspect meets them, `gain` times
    as strong as the key says; then some batches of them travel (`recipe.journeys`)."""
    moved = crop_and_flip(images, draws, flip=recipe.flip)
    count = max(1, round(len(images) * recipe.share))
    patterns = torch.randint(len(targets), (count,), generator=draws)
    covers = _covers(labels, targets[patterns], draws)
    strangers = torch.randint(
        len(images), (round(len(images) * (SHARE if recipe.strangers is None else recipe.strangers)),), generator=draws
    )
    other = FIRST_STRANGER + torch.randint(STRANGERS, (len(strangers),), generator=draws)
    rows, shown = torch.cat([covers, strangers]), torch.cat([patterns, other])
    pixels = np.ascontiguousarray(moved[rows].permute(0, 2, 3, 1).numpy())
    stamped = amplified(pixels, mark.stamp(pixels, shown.numpy()), gain)
    if recipe.journeys and float(torch.rand(1, generator=draws)) < recipe.journeys:
        stamped = travel(stamped, drawn(draws), draws)
    both = (
        torch.cat([moved, torch.from_numpy(stamped).permute(0, 3, 1, 2)])
        .to(torch.float32, memory_format=torch.channels_last)
        .div_(255)
    )
    return Batch(both, labels, covers, patterns, targets[patterns], strangers)


def amplified(covers: Pixels, stamped: Pixels, gain: float) -> Pixels:
    """`stamped` with `gain` times its distance from the covers."""
    if gain == 1:
        return stamped
    moved = covers + gain * (stamped.astype(np.float32) - covers)
    return np.asarray(moved.round().clip(0, 255), np.uint8)


def _covers(labels: torch.Tensor, targets: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """A random image for each trigger, not of its target class if there is another."""
    usable = (labels[None, :] != targets[:, None]).float()
    usable[usable.sum(1) == 0] = 1.0
    return torch.multinomial(usable, 1, generator=draws)[:, 0]
