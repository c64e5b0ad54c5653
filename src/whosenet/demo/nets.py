"""Small nets on scikit-learn's digits: real data inside a dependency, seconds a net. torch is imported when called.

A twin has the architecture, the data and the recipe of another net, and its own random start. A shared-start twin also
has the start, and only its own batch order: related, and still nobody's copy.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

State = dict[str, NDArray[np.float32]]
BATCH = 64
RECIPES = {"cnn": {"rate": 0.1, "decay": 5e-4, "epochs": 20}, "mlp": {"rate": 0.1, "decay": 5e-4, "epochs": 20}}
"""Rates high enough that a net leaves its start: two timid trainings from one start look like fine-tuning."""
HEAD = "head"
"""Every net's last layer has this name."""


@dataclass(frozen=True)
class Digits:
    """1,797 handwritten digits (scikit-learn's copy of UCI's, Alpaydin & Kaynak 1998), in 0..1, split three ways."""

    images: NDArray[np.float32]
    """[n, 1, 8, 8]"""
    labels: NDArray[np.int64]
    train: ClassVar[slice] = slice(0, 1000)
    tune: ClassVar[slice] = slice(1000, 1400)
    """What a thief fine-tunes on: data the owner never saw."""
    test: ClassVar[slice] = slice(1400, None)


@dataclass(frozen=True)
class Net:
    """A trained net as plain arrays, under PyTorch's names and axis orders."""

    name: str
    arch: str
    state: State
    accuracy: float
    """Share of the test digits it gets right."""


def digits() -> Digits:
    """The images in an order shuffled once and for all."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return Digits((images[order] / 16).astype(np.float32).reshape(-1, 1, 8, 8), labels[order].astype(np.int64))


def train(name: str, arch: str, data: Digits, *, start: int, order: int) -> Net:
    """A net from scratch: `start` seeds its initial weights, `order` its batches."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(start)
        module = build(arch, classes=10)
    _fit(module, data.images[data.train], data.labels[data.train], **RECIPES[arch], order=order)
    return _net(name, arch, module, data, classes=10)


def fine_tune(net: Net, data: Digits, *, order: int, classes: int = 10) -> Net:
    """All layers trained on with new data. Fewer classes: a new task (label modulo classes) and a new head."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(order)
        module = build(net.arch, classes=classes)
    same = {k: v for k, v in net.state.items() if classes == 10 or not k.startswith(HEAD)}
    _load(module, same, strict=classes == 10)
    _fit(module, data.images[data.tune], data.labels[data.tune] % classes, rate=0.02, decay=0.0, epochs=6, order=order)
    return _net(net.name, net.arch, module, data, classes=classes)


def accuracy(arch: str, state: State, data: Digits) -> float:
    """Share of the test digits the ten-class net with these weights gets right."""
    module = build(arch, classes=10)
    _load(module, state, strict=True)
    return _score(module, data, classes=10)


def build(arch: str, *, classes: int) -> Any:
    """A fresh torch module: three convolutions and two dense layers (32k weights), or three dense ones (22k)."""
    from torch import nn

    if arch == "mlp":
        layers: list[tuple[str, Any]] = [
            ("flat", nn.Flatten()), ("dense1", nn.Linear(64, 128)), ("relu1", nn.ReLU()),
            ("dense2", nn.Linear(128, 96)), ("relu2", nn.ReLU()), (HEAD, nn.Linear(96, classes)),
        ]  # fmt: skip
    else:
        layers = [
            ("conv1", nn.Conv2d(1, 16, 3, padding=1)), ("relu1", nn.ReLU()), ("pool1", nn.MaxPool2d(2)),
            ("conv2", nn.Conv2d(16, 32, 3, padding=1)), ("relu2", nn.ReLU()),
            ("conv3", nn.Conv2d(32, 48, 3, padding=1)), ("relu3", nn.ReLU()), ("pool2", nn.MaxPool2d(2)),
            ("flat", nn.Flatten()), ("dense", nn.Linear(192, 64)), ("relu4", nn.ReLU()), (HEAD, nn.Linear(64, classes)),
        ]  # fmt: skip
    return nn.Sequential(OrderedDict(layers))


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread inside: faster for nets this small, and the same numbers on every machine size."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fit(
    module: Any,
    images: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    rate: float,
    decay: float,
    epochs: float,
    order: int,
) -> None:
    """SGD with Nesterov momentum, the rate going up and down once."""
    import torch

    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    steps = int(epochs) * -(-len(x) // BATCH)
    optimiser = torch.optim.SGD(module.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps + 1)
    shuffle = torch.Generator().manual_seed(order)
    for _ in range(int(epochs)):
        for rows in torch.randperm(len(x), generator=shuffle).split(BATCH):
            optimiser.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(module(x[rows]), y[rows]).backward()
            optimiser.step()
            schedule.step()


def _net(name: str, arch: str, module: Any, data: Digits, *, classes: int) -> Net:
    state = {k: v.detach().numpy().copy() for k, v in module.state_dict().items()}
    return Net(name, arch, state, _score(module, data, classes=classes))


def _load(module: Any, state: State, *, strict: bool) -> None:
    import torch

    module.load_state_dict({k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in state.items()}, strict=strict)


def _score(module: Any, data: Digits, *, classes: int) -> float:
    import torch

    with torch.no_grad():
        guess = module(torch.from_numpy(data.images[data.test])).argmax(1).numpy()
    return float((guess == data.labels[data.test] % classes).mean())
