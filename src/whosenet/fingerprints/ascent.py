"""Moving images until the owner and its copies say one class and strangers another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from whosenet.fingerprints import views
from whosenet.fingerprints.base import Step

if TYPE_CHECKING:
    import torch
    from torch import nn

BATCH = 128
PER_STEP = 3
"""References, and copies, asked in one step: all have their turn at a fraction of the time."""
LAST_RATE = 0.1
"""Share of the learning rate at the last step; it falls linearly."""


class Turns:
    """Which networks are asked in a step: the one that was furthest from its goal when last asked, others by lot.

    By lot alone, the few references of the kind most like the owner (siblings of one public start) are outvoted, and
    the points become points that this kind agrees on.
    """

    def __init__(self, count: int, draws: torch.Generator) -> None:
        self._lost = [float("inf")] * count
        self._draws = draws

    def next(self) -> list[int]:
        """At most PER_STEP rows."""
        import torch

        lot: list[int] = torch.randperm(len(self._lost), generator=self._draws).tolist()
        if not lot:
            return []
        hardest = max(lot, key=self._lost.__getitem__)
        return [hardest, *(row for row in lot if row != hardest)][:PER_STEP]

    def tell(self, row: int, loss: float) -> None:
        """The mean loss of network `row`."""
        self._lost[row] = loss


@dataclass(frozen=True)
class Goal:
    """What the ascent wants of whom; `deepcore` documents every field."""

    owner: nn.Module
    copies: Sequence[nn.Module] = ()
    references: Sequence[nn.Module] = ()
    objective: str = "margin"
    attract: float = 1.0
    repel: float = 1.0
    softness: float = 4.0

    def loss(self, x: torch.Tensor, target: torch.Tensor, copies: Turns, references: Turns) -> torch.Tensor:
        """float32 [] of images [n, c, h, w] and the classes int64 [n] they shall be."""
        loss = self._wanted(self.owner(x), target).sum()
        if self.attract:
            loss = loss + self.attract * _mean(self.copies, copies, lambda said: self._wanted(said, target), x)
        if self.repel:
            loss = loss + self.repel * _mean(self.references, references, lambda said: self._unwanted(said, target), x)
        return loss

    def _wanted(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as F

        if self.objective == "confidence":
            return F.cross_entropy(logits.float(), target, reduction="none")
        return self.softness * F.softplus(-margin(logits.float(), target) / self.softness)

    def _unwanted(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        from torch.nn import functional as F

        if self.objective == "confidence":
            return -F.log_softmax(logits.float(), 1).exp().gather(1, target[:, None])[:, 0].mul(-1).log1p()
        return self.softness * F.softplus(margin(logits.float(), target) / self.softness)


def _mean(nets: Sequence[nn.Module], turns: Turns, loss: Callable[[torch.Tensor], torch.Tensor],
          x: torch.Tensor) -> torch.Tensor:  # fmt: skip
    """float32 []: the loss summed over images, mean over the networks whose turn it is."""
    import torch

    total, rows = torch.zeros(()), turns.next()
    for row in rows:
        each = loss(nets[row](x))
        turns.tell(row, float(each.detach().mean()))
        total = total + each.sum() / len(rows)
    return total


def margin(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """float32 [n]: the target's logit minus the largest of the others."""
    own = logits.gather(1, target[:, None])
    others = logits.scatter(1, target[:, None], float("-inf"))
    return own[:, 0] - others.amax(1)


def ascend(start: torch.Tensor, target: torch.Tensor, goal: Goal, *, steps: int, lr: float, epsilon: float,
           smooth: int, transforms: bool, mirror: bool, seed: int, on_step: Step) -> torch.Tensor:  # fmt: skip
    """`start` float32 [n, c, h, w] in 0..1, moved by Adam. `epsilon` in 0..1 bounds every pixel's change (0: none)."""
    import torch

    batches = list(zip(start.split(BATCH), target.split(BATCH), strict=True))
    moved = []
    with _still([goal.owner, *goal.copies, *goal.references]):
        for number, (x, wanted) in enumerate(batches):
            draws = torch.Generator().manual_seed(seed + number)
            path = _path(x, wanted, goal, draws, steps, lr, epsilon, smooth, transforms, mirror)
            for done, latest in enumerate(path, number * steps + 1):
                on_step(done, len(batches) * steps)
                x = latest
            moved.append(x.detach())
    return torch.cat(moved)


def _path(start: torch.Tensor, target: torch.Tensor, goal: Goal, draws: torch.Generator, steps: int, lr: float,
          epsilon: float, smooth: int, transforms: bool, mirror: bool) -> Iterator[torch.Tensor]:  # fmt: skip
    """The images after every step."""
    import torch

    from whosenet.training.steps import fast_bf16

    x = start.clone().requires_grad_(True)
    low, high = ((start - epsilon).clamp(0, 1), (start + epsilon).clamp(0, 1)) if epsilon else (0.0, 1.0)
    optimiser = torch.optim.Adam([x], lr)
    copies, references = (Turns(len(nets), draws) for nets in (goal.copies, goal.references))
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = lr * (1 - (1 - LAST_RATE) * step / steps)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bf16()):
            loss = goal.loss(views.seen(x, draws, mirror=mirror) if transforms else x, target, copies, references)
        (gradient,) = torch.autograd.grad(loss, x)
        # Smooth changes mean the same to networks trained apart; fine noise is read by one network alone.
        x.grad = views.blurred(gradient, smooth) if smooth > 1 else gradient
        optimiser.step()
        with torch.no_grad():
            x.clamp_(low, high)
        yield x


@contextmanager
def _still(modules: Sequence[nn.Module]) -> Iterator[None]:
    """No gradients for any weight while inside: they cost a third of the time."""
    asking = [p for module in modules for p in module.parameters() if p.requires_grad]
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
