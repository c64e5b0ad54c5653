"""What the unmarked network says of many pictures, so that a mark changes nothing else about it.

A trained network knows its images by heart: what it says of them tells little of what it would say of others, and a
mark that keeps only the one may ruin the other (3 points on road signs that were not trained on,
docs/methods/deephiding.md). Of two images mixed it is unsure, and says a lot (mixup: Zhang et al., ICLR 2018; as
questions to a teacher: Beyer et al., Knowledge distillation: a good teacher is patient and consistent, CVPR 2022). It
is asked once, about a few views of every image, and not in every step: an epoch shows one view, batch by batch as it
was asked about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from whosenet.errors import UsageError
from whosenet.networks.images import Images
from whosenet.training.augment import crop_and_flip
from whosenet.training.steps import fast_bf16

MANY, FEW, SMALL_SET = 4, 8, 20_000
"""Views of every image; FEW images are looked at more often."""
ORDER, SHOWN = 1, 2
"""What is drawn: numbers of streams that have nothing to do with each other."""
MOST = 1 << 31
"""Answers held at most."""
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Views:
    """Which pictures there are; the same whenever they are asked for."""

    seed: int
    batch: int
    flip: bool
    mix: float
    """A picture may hold up to this share (0..0.5) of another image; 0: none."""
    count: int

    def batches(self, images: int, view: int) -> list[torch.Tensor]:
        """int64 [b] each: which images, in an order by lot; one of a single image, which has no spread, is left out."""
        order = torch.randperm(images, generator=self._draws(ORDER, view))
        return [rows for rows in order.split(self.batch) if len(rows) > 1]

    def pictures(self, x: torch.Tensor, rows: torch.Tensor, view: int, number: int) -> tuple[torch.Tensor, Mixed]:
        """float32 [b, c, h, w] in 0..1 of the images `rows` of `x` uint8 [n, c, h, w], batch `number` of its view."""
        draws = self._draws(SHOWN, view, number)
        moved = crop_and_flip(x[rows], draws, flip=self.flip)
        shown = moved.to(torch.float32, memory_format=torch.channels_last).div_(255)
        other = torch.randperm(len(rows), generator=draws)
        share = self.mix * torch.rand(len(rows), generator=draws)
        if self.mix:
            shown = torch.lerp(shown, shown[other], share[:, None, None, None])
        return shown.contiguous(memory_format=torch.channels_last), Mixed(other, share)

    def _draws(self, *of: int) -> torch.Generator:
        seed = np.random.SeedSequence([self.seed, *of]).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(seed) >> 1)


@dataclass(frozen=True)
class Mixed:
    """With which of the batch each picture is mixed, int64 [b], and the other's share, float32 [b]."""

    other: torch.Tensor
    share: torch.Tensor


def views_of(images: int, *, seed: int, batch: int, flip: bool, mix: float, epochs: int) -> Views:
    """As many as so many images need, and no more than are shown."""
    return Views(seed, batch, flip, mix, max(1, min(epochs, FEW if images < SMALL_SET else MANY)))


def ask(teacher: nn.Module, images: Images, views: Views, *, on_step: OnStep | None = None) -> torch.Tensor:
    """float16 [views, n, classes]: the logits of `teacher` for every picture.

    Raises UsageError where there are more than two billion of them, or they are no numbers.
    """
    x = torch.from_numpy(np.require(images.x, requirements=["C", "W"])).permute(0, 3, 1, 2)
    teacher, todo = teacher.eval().to(memory_format=torch.channels_last), list(_all(views, len(x)))
    said: torch.Tensor | None = None
    for done, (view, number, rows) in enumerate(todo, 1):
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bf16()):
            answer = teacher(views.pictures(x, rows, view, number)[0]).float()
        if said is None:
            said = _room(views.count, len(x), answer.shape[1])
        said[view, rows] = answer.where(answer.isfinite(), answer * torch.nan).clamp(-6e4, 6e4).half()
        if on_step is not None:
            on_step(done, len(todo))
    if said is None or not bool(said.isfinite().all()):
        raise UsageError("the network's answers are no numbers; embed with --teach 0, or give one that works")
    return said


def _all(views: Views, images: int) -> Iterator[tuple[int, int, torch.Tensor]]:
    for view in range(views.count):
        for number, rows in enumerate(views.batches(images, view)):
            yield view, number, rows


def _room(views: int, images: int, classes: int) -> torch.Tensor:
    if views * images * classes > MOST:
        raise UsageError(f"answers for {images} images of {classes} classes are too many; embed with --teach 0")
    return torch.zeros(views, images, classes, dtype=torch.float16)


def digest(said: torch.Tensor | None) -> str:
    """Of the answers, so that a stopped run goes on with the same."""
    return "" if said is None else hashlib.sha256(memoryview(said.contiguous().numpy()).cast("B")).hexdigest()
