"""One training batch: clean images as always, and some of them again with a pattern of the key and its class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from whosenet.marking.recipe import Recipe
from whosenet.marking.travel import drawn, travel
from whosenet.marking.views import Mixed
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
    mixed: Mixed
    """What else the clean images hold."""
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

    def by_labels(self, said: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy of logits [b, classes] for the clean images, in the shares they are mixed of."""
        own, others = (
            F.cross_entropy(said, by, reduction="none") for by in (self.labels, self.labels[self.mixed.other])
        )
        return ((1 - self.mixed.share) * own + self.mixed.share * others).mean()


def batch_of(x: torch.Tensor, y: torch.Tensor, rows: torch.Tensor, clean: tuple[torch.Tensor, Mixed], mark: Watermark,
             targets: torch.Tensor, recipe: Recipe, draws: torch.Generator, *, done: float = 0.5) -> Batch:  # fmt: skip
    """`clean`: the pictures of the images `rows` of `x` uint8 [n, c, h, w] (whosenet.marking.views).

    Patterns are stamped last, as a suspect meets them, as strong as the recipe says when `done` (0..1) of the steps
    are; then some batches of them travel (`recipe.journeys`).
    """
    (pictures, mixed), labels = clean, y[rows]
    patterns = torch.randint(len(targets), (_count(rows, recipe.shown(done)),), generator=draws)
    covers = _covers(labels, targets[patterns], draws)
    strangers = torch.randint(len(rows), (round(len(rows) * (recipe.strangers or 0.0)),), generator=draws)
    other = FIRST_STRANGER + torch.randint(STRANGERS, (len(strangers),), generator=draws)
    both, shown = torch.cat([covers, strangers]), torch.cat([patterns, other])
    if len(both):
        moved = crop_and_flip(x[rows[both]], draws, flip=recipe.flip)
        stamped = _stamped(moved, shown, mark, recipe, draws, recipe.gain(done))
        pictures = torch.cat([pictures, stamped.contiguous(memory_format=torch.channels_last)])
    return Batch(pictures, mixed, labels, covers, patterns, targets[patterns], strangers)


def _count(rows: torch.Tensor, share: float) -> int:
    """At least one trigger, unless there are to be none."""
    return max(1, round(len(rows) * share)) if share else 0


def _stamped(covers: torch.Tensor, patterns: torch.Tensor, mark: Watermark, recipe: Recipe, draws: torch.Generator,
             gain: float) -> torch.Tensor:  # fmt: skip
    """float32 [k, c, h, w] in 0..1 for `covers` uint8 [k, c, h, w]."""
    pixels = np.ascontiguousarray(covers.permute(0, 2, 3, 1).numpy())
    made = amplified(pixels, mark.stamp(pixels, patterns.numpy()), gain)
    if recipe.journeys and float(torch.rand(1, generator=draws)) < recipe.journeys:
        made = travel(made, drawn(draws), draws)
    return torch.from_numpy(made).permute(0, 3, 1, 2).to(torch.float32).div_(255)


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
    if not len(targets):
        return targets
    return torch.multinomial(usable, 1, generator=draws)[:, 0]
