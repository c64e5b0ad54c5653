"""Honest twins: over a thousand nets of one architecture on the same data, each from its own start and batch order.

SMALL (6k weights, scikit-learn's digits) and LARGE (0.26M weights, GTSRB at 16x16) are trained in groups: the nets'
parameters are stacked and `torch.func.vmap` runs them side by side, which changes speed and nothing else, since no
net sees another. A hundred more of each repeat a start with another batch order: `shared_start` pairs them.

    from bench.population import twins
    for weights in twins.load("small"):          # dict[str, float32 array], 1,010 times
        ...
    for one, other in twins.shared_start("small"):   # 100 times
        ...
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from bench.population import data
from bench.population.index import Record, Store
from bench.population.parents import seed_of
from bench.population.training import Labelled

COUNT = 1010
SHARED = 100
WEIGHTS = dict[str, np.ndarray]


def small() -> nn.Sequential:
    """Two convolutions and two dense layers on [1, 8, 8]: 6,170 weights."""
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(96, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip


def large() -> nn.Sequential:
    """Three strided convolutions and two dense layers on [3, 16, 16]: 254,027 weights."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(256, 768), nn.ReLU(), nn.Linear(768, 43),
    )  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Group size, steps of `batch` images, peak one-cycle rate (SGD, Nesterov momentum 0.9)."""

    dataset: str
    group: int
    steps: int
    lr: float
    batch: int = 32


KINDS = {"small": Kind("digits", 32, 220, 0.1), "large": Kind("gtsrb", 8, 360, 0.07)}
BUILD = {"small": small, "large": large}


@dataclass(frozen=True)
class Group:
    """Nets trained side by side; `variant` is "twin", or "shared-start" for a second batch order of the same start."""

    kind: str
    variant: str
    seeds: range

    @property
    def id(self) -> str:
        return f"{self.kind}.{self.variant}.{self.seeds[0]:04d}"


def groups(kind: str, *, count: int = COUNT, shared: int = SHARED) -> list[Group]:
    size = KINDS[kind].group
    parts = (("twin", count), ("shared-start", shared))
    return [Group(kind, v, range(i, min(i + size, n))) for v, n in parts for i in range(0, n, size)]


def load(kind: str, store: Store | None = None) -> Iterator[WEIGHTS]:
    """The independent nets, in order of seed."""
    return _nets(kind, "twin", store or Store())


def shared_start(kind: str, store: Store | None = None) -> Iterator[tuple[WEIGHTS, WEIGHTS]]:
    """Pairs with one start and two batch orders. Related, and not copies."""
    store = store or Store()
    again = list(_nets(kind, "shared-start", store))
    return zip(islice(load(kind, store), len(again)), again, strict=True)


def _nets(kind: str, variant: str, store: Store) -> Iterator[WEIGHTS]:
    for record in store.models(f"twins-{kind}"):
        if record["variant"] == variant:
            stacked = Store.load(record)
            for i in range(len(record["seeds"])):
                yield {name: array[i] for name, array in stacked.items()}


def images(kind: str, cache: Path) -> tuple[Labelled, Labelled]:
    """Train and test images of a kind."""
    if kind == "large":
        found = data.load(KINDS[kind].dataset, cache)
        return found.train, found.test
    x, y, x_test, y_test = data.digits()
    train, test = (
        (torch.from_numpy(a / 8 - 1).float()[:, None], torch.from_numpy(b)) for a, b in ((x, y), (x_test, y_test))
    )
    return train, test


def make(
    group: Group, train: Labelled, test: Labelled, *, steps: int | None = None
) -> tuple[dict[str, torch.Tensor], list[float]]:
    """Stacked parameters [nets, ...] and the test accuracy of each net."""
    kind, build = KINDS[group.kind], BUILD[group.kind]
    starts = [_start(group.kind, seed) for seed in group.seeds]
    stacked = {name: torch.stack([s[name] for s in starts]).requires_grad_() for name in starts[0]}
    skeleton = build().to("meta")
    forward = vmap(lambda p, x: functional_call(skeleton, p, (x,)))
    optimiser = torch.optim.SGD(list(stacked.values()), kind.lr, momentum=0.9, nesterov=True)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, kind.lr, total_steps=(steps or kind.steps) + 1)
    orders = torch.stack([_order(group, seed, len(train[0]), steps or kind.steps) for seed in group.seeds])
    for rows in orders.split(kind.batch, dim=1):
        logits = forward(stacked, train[0][rows])
        # a sum over nets: each net's gradient is that of its own mean loss
        loss = F.cross_entropy(logits.flatten(0, 1), train[1][rows].flatten(), reduction="sum") / kind.batch
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        cycle.step()
    return {name: p.detach() for name, p in stacked.items()}, _accuracies(skeleton, stacked, test)


def _start(kind: str, seed: int) -> dict[str, torch.Tensor]:
    """PyTorch's default initialisation from a seed of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(f"{kind}/{seed}"))
        return {name: p.detach() for name, p in BUILD[kind]().named_parameters()}


def _order(group: Group, seed: int, count: int, steps: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed_of(f"{group.kind}/{seed}/{group.variant}/order"))
    wanted = steps * KINDS[group.kind].batch
    return torch.cat([torch.randperm(count, generator=generator) for _ in range(wanted // count + 1)])[:wanted]


@torch.no_grad()
def _accuracies(skeleton: nn.Module, stacked: dict[str, torch.Tensor], test: Labelled) -> list[float]:
    logits = vmap(lambda p: functional_call(skeleton, p, (test[0],)))(stacked)
    return [round(float(a), 4) for a in (logits.argmax(-1) == test[1]).float().mean(1)]


def add(store: Store, group: Group, train: Labelled, test: Labelled, *, steps: int | None = None) -> Record:
    """Make and store one group, unless it is stored."""
    if group.id in store.records:
        return store.records[group.id]
    began = time.monotonic()
    tensors, accuracies = make(group, train, test, steps=steps)
    record: Record = {
        "id": group.id,
        "population": f"twins-{group.kind}",
        "variant": group.variant,
        "seeds": list(group.seeds),
        "dataset": KINDS[group.kind].dataset,
        "accuracy": accuracies,
        "seconds": round(time.monotonic() - began, 2),
    }
    return store.add(record, tensors)
