"""One training loop for parents and edits: SGD with Nesterov momentum, gradients clipped, deterministic by seed."""

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.nn import functional as F

BATCH = 64
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4
CLIP = 2.0

Labelled = tuple[torch.Tensor, torch.Tensor]


def train(
    net: nn.Module,
    data: Labelled,
    *,
    samples: int,
    lr: float,
    seed: int,
    one_cycle: bool = False,
    parameters: Iterable[nn.Parameter] | None = None,
    after_step: Callable[[], None] | None = None,
) -> None:
    """Show `net` about `samples` shuffled examples (epochs follow each other); the rate cycles once or decays to 0."""
    steps = max(1, samples // BATCH)
    trained = list(net.parameters() if parameters is None else parameters)
    optimiser = torch.optim.SGD(trained, lr, momentum=MOMENTUM, nesterov=True, weight_decay=WEIGHT_DECAY)
    rate = _one_cycle(optimiser, lr, steps) if one_cycle else _decay(optimiser, steps)
    net.train()
    for rows in _batches(len(data[0]), steps, seed):
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(net(data[0][rows]), data[1][rows]).backward()
        nn.utils.clip_grad_norm_(trained, CLIP)
        optimiser.step()
        rate.step()
        if after_step is not None:
            after_step()
    net.eval()


def _one_cycle(optimiser: torch.optim.Optimizer, lr: float, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps + 1)


def _decay(optimiser: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / steps)


def _batches(count: int, steps: int, seed: int) -> Iterable[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    epochs = steps * BATCH // count + 1
    order = torch.cat([torch.randperm(count, generator=generator) for _ in range(epochs)])
    return order[: steps * BATCH].split(BATCH)


@torch.no_grad()
def accuracy(net: nn.Module, data: Labelled) -> float:
    """Fraction right, in eval mode."""
    net.eval()
    return round(float((net(data[0]).argmax(1) == data[1]).float().mean()), 4)
