"""The training loop: mini-batches on the CPU, deterministic by seed, resumable after every epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from whosenet.errors import UsageError
from whosenet.networks.place import elsewhere
from whosenet.training import checkpoint as checkpoints
from whosenet.training.augment import Augment as Augment
from whosenet.training.rate import rate
from whosenet.training.steps import OPTIMIZERS, Plan, epoch_of, optimiser_for
from whosenet.training.steps import Loss as Loss
from whosenet.training.steps import OnStep as OnStep


def fit(
    module: nn.Module,
    x: torch.Tensor | np.ndarray,
    targets: torch.Tensor | np.ndarray,
    *,
    epochs: int,
    lr: float,
    seed: int,
    batch: int = 128,
    loss: str | Loss = "cross-entropy",
    optimizer: str = "sgd",
    weight_decay: float = 5e-4,
    schedule: str = "one-cycle",
    augment: bool | Augment = True,
    parameters: Iterable[nn.Parameter] | None = None,
    bf16: bool | None = None,
    keep_eval: bool = False,
    clip: float | None = 5.0,
    on_step: OnStep | None = None,
    checkpoint: Path | None = None,
) -> nn.Module:
    """Train `module` in place and return it in eval mode.

    `x` is uint8 [n, h, w, c] or float32 [n, c, h, w] in 0..1; `targets` int64 labels [n] or float32 probabilities
    [n, k]. `loss(logits float32 [b, k], targets) -> scalar`. `augment` is True (crop and mirror), False or
    `f(images, generator) -> images` on a float32 [b, c, h, w] batch in 0..1. `parameters` are the only ones trained
    (default: all); `keep_eval` leaves batch norm and dropout in eval mode. bfloat16 autocast is used where the
    processor has the instructions, unless `bf16` says otherwise. `clip` bounds the gradient norm. `on_step(done,
    total)` may raise to stop. With `checkpoint` the state is written after every epoch and a killed run goes on from
    there. On the CPU the same seed, threads and processor give the same weights, and no global random state is read or
    changed.
    """
    plan = Plan(
        epochs=epochs, lr=lr, seed=seed, batch=batch, loss=loss, optimizer=optimizer, weight_decay=weight_decay,
        schedule=schedule, augment=augment, bf16=bf16, keep_eval=keep_eval, clip=clip, on_step=on_step,
    )  # fmt: skip
    images, wanted = _checked(x, targets, plan)
    trained = list(module.parameters() if parameters is None else parameters)
    with _only(module, trained):
        optimiser = optimiser_for(trained, plan)
        done, run = 0, {**plan.identity(len(images)), **elsewhere(module)}
        if checkpoint is not None:
            done = checkpoints.load(checkpoint, module, optimiser, run)
        for epoch in range(done, plan.epochs):
            epoch_of(module, images, wanted, trained, optimiser, plan, epoch)
            if checkpoint is not None:
                checkpoints.save(checkpoint, module, optimiser, epoch + 1, run)
    return module.eval()


def _checked(
    x: torch.Tensor | np.ndarray, targets: torch.Tensor | np.ndarray, plan: Plan
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images as [n, c, h, w] (a view, dtype kept) and targets; UsageError on what cannot be trained on."""
    images, wanted = (v if isinstance(v, torch.Tensor) else torch.from_numpy(np.require(v, requirements="W"))
                      for v in (x, targets))  # fmt: skip
    if images.dtype == torch.uint8:
        images = images.permute(0, 3, 1, 2)
    if not len(images) or len(images) != len(wanted):
        raise UsageError(f"{len(images)} images and {len(wanted)} targets: training needs as many of each, at least 1")
    if plan.epochs < 0 or plan.batch < 1:
        raise UsageError(f"epochs {plan.epochs}, batch {plan.batch}: epochs must be >= 0 and the batch >= 1")
    if plan.optimizer not in OPTIMIZERS:
        raise UsageError(f"unknown optimizer {plan.optimizer!r}: use one of {', '.join(OPTIMIZERS)}")
    if isinstance(plan.loss, str) and plan.loss != "cross-entropy":
        raise UsageError(f"unknown loss {plan.loss!r}: use 'cross-entropy' or a function of logits and targets")
    rate(plan.schedule, plan.lr, 0.0)
    return images, wanted


@contextmanager
def _only(module: nn.Module, trained: list[nn.Parameter]) -> Iterator[None]:
    """Gradients for `trained` alone while inside; the flags of before come back even after an error."""
    before = [(parameter, parameter.requires_grad) for parameter in module.parameters()]
    chosen = {id(parameter) for parameter in trained}
    for parameter, _ in before:
        parameter.requires_grad_(id(parameter) in chosen)
    try:
        yield
    finally:
        for parameter, flag in before:
            parameter.requires_grad_(flag)
            parameter.grad = None
