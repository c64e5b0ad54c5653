"""Soft labels: what the unmarked network says about the images that the marked one is trained on.

A mark is to change nothing else, and the unmarked network's probabilities say more of what that is than labels do
(Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, 2015). They are asked for once and not in every
step, as means over several views: a network knows the images it was trained on by heart, less so their crops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from whosenet.errors import UsageError
from whosenet.networks.images import Images
from whosenet.training.augment import crop_and_flip
from whosenet.training.steps import fast_bf16

VIEWS, BATCH = 4, 512
MOST = 1 << 31
"""Probabilities held at most."""
OnStep = Callable[[int, int], None]


def soft_labels(
    teacher: nn.Module, images: Images, *, flip: bool, seed: int, on_step: OnStep | None = None
) -> torch.Tensor:
    """float16 [n, classes]: mean probabilities of `teacher` over random crops (and mirrors, with `flip`).

    Raises UsageError where there are more than two billion of them.
    """
    draws = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, len(images)]).generate_state(1)[0]))
    x = torch.from_numpy(np.require(images.x, requirements=["C", "W"])).permute(0, 3, 1, 2)
    parts, teacher = x.split(BATCH), teacher.eval()
    asked = []
    for number, part in enumerate(parts, 1):
        asked.append(_mean(teacher, part, draws, flip))
        if len(x) * asked[0].shape[1] > MOST:
            raise UsageError(
                f"soft labels for {len(x)} images of {asked[0].shape[1]} classes are too many; embed with --teach 0"
            )
        if on_step is not None:
            on_step(number, len(parts))
    return torch.cat(asked)


def _mean(teacher: nn.Module, images: torch.Tensor, draws: torch.Generator, flip: bool) -> torch.Tensor:
    said = torch.zeros(())
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bf16()):
        for _ in range(VIEWS):
            view = crop_and_flip(images, draws, flip=flip).to(torch.float32, memory_format=torch.channels_last)
            said = said + teacher(view.div_(255)).float().softmax(1) / VIEWS
    return said.half()


def digest(soft: torch.Tensor | None) -> str:
    """Of the labels, so that a stopped run goes on with the same."""
    return "" if soft is None else hashlib.sha256(soft.numpy().tobytes()).hexdigest()
