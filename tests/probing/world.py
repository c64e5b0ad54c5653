"""A small world: images of four classes that nets learn imperfectly, an owner's net, honest twins, their code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

NET = """
from torch import nn
def small():
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 4))
def wider():
    return nn.Sequential(nn.Conv2d(3, 10, 3, 2, 1), nn.ReLU(), nn.Conv2d(10, 16, 3, 2, 1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, 4))
def five():
    return nn.Sequential(nn.Flatten(), nn.Linear(16 * 16 * 3, 5))
def larger():
    return nn.Sequential(nn.Flatten(), nn.Linear(20 * 20 * 3, 4))
"""


OTHERS = 4


@dataclass(frozen=True)
class World:
    folder: Path
    data: Path
    owner: str
    twins: tuple[str, ...]
    others: tuple[str, ...]
    """Honest nets of another architecture."""


def images(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [n, 16, 16, 3], int64 [n]: a faint coloured stripe pattern a class under heavy noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, count)
    base = np.random.default_rng(99).normal(0, 1, (4, 4, 4, 3)).repeat(4, 1).repeat(4, 2)
    return np.clip(128 + 22 * base[y] + rng.normal(0, 60, (count, 16, 16, 3)), 0, 255).astype(np.uint8), y


def make(folder: Path, twins: int = 18) -> World:
    import torch

    from whosenet.networks.save import save_weights
    from whosenet.networks.spec import Spec, fresh
    from whosenet.training.fit import fit

    code = folder / "net.py"
    code.write_text(NET)
    x, y = images(1200)
    np.savez(folder / "data.npz", x=x, y=y)
    specs = []
    for i in range(twins + 1 + OTHERS):
        factory = "small" if i <= twins else "wider"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(i)
            module = fresh(Spec(str(code), factory, None))
        fit(module, x, y, epochs=6, lr=5e-3, seed=i, optimizer="adam", augment=False, bf16=False)
        specs.append(f"{code}:{factory}@{save_weights(module, folder / f'm{i}.safetensors')}")
    return World(folder, folder / "data.npz", specs[0], tuple(specs[1 : twins + 1]), tuple(specs[twins + 1 :]))
