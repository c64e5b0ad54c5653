"""Copies an owner makes of its own network as a thief would, by its answers alone, to make points for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from whosenet.networks.images import Images
from whosenet.networks.predict import logits, softmax

if TYPE_CHECKING:
    from torch import nn

Step = Callable[[int, int], None]
Build = Callable[[], "nn.Module"]
RATE = 0.05
BATCH = 128
LONGER = 2.0
BATCHES = 32
"""Few images go in smaller batches, so that an epoch still has about this many steps."""


def copies(owner: nn.Module, builds: Sequence[Build], images: Images, *, count: int, size: int, epochs: int,
           mirror: bool, seed: int, on_step: Step) -> Iterator[nn.Module]:  # fmt: skip
    """`count` fresh networks, trained on the owner's answers to `size` of the images each (or to all there are, for up
    to LONGER times the epochs): labels and probabilities in turn, the architectures of `builds` in turn."""
    epochs = round(epochs * min(LONGER, max(1.0, size / len(images))))
    draws = np.random.default_rng([seed, 7])
    for number in range(count):
        x = images.x[np.sort(draws.permutation(len(images))[:size])]
        said = softmax(logits(owner, x))
        yield _trained(
            builds[number % len(builds)], x, said if number % 2 else said.argmax(1), epochs, mirror,
            int(draws.integers(2**62)), _one_of(on_step, number, count),
        )  # fmt: skip


def _one_of(on_step: Step, number: int, count: int) -> Step:
    return lambda done, total: on_step(number * total + done, count * total)


def _trained(build: Build, x: np.ndarray, targets: np.ndarray, epochs: int, mirror: bool, seed: int,
             on_step: Step) -> nn.Module:  # fmt: skip
    import torch

    from whosenet.training.augment import crop_and_flip, crop_only
    from whosenet.training.fit import fit

    with torch.random.fork_rng(devices=[]):
        # Far from the small seeds people use: a copy that shared the owner's or a reference's start would be none.
        torch.manual_seed(seed)
        module = build().float()
    return fit(
        module, x, targets, epochs=epochs, lr=RATE, seed=seed, batch=min(BATCH, max(8, len(x) // BATCHES)),
        augment=crop_and_flip if mirror else crop_only, on_step=on_step,
    )  # fmt: skip
