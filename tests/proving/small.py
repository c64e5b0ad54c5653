"""A small world to mark: images of six classes, a net that learns them and a mark in seconds, keys of known bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whosenet.keys.key import Key, mint

NET = """
from torch import nn
def _net(channels, classes):
    return nn.Sequential(
        nn.Conv2d(channels, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 24, 3, 2, 1), nn.BatchNorm2d(24),
        nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(96, classes))
def small():
    return _net(3, 6)
def grey():
    return _net(1, 6)
def seven():
    return _net(3, 7)
def rigid():
    return nn.Sequential(nn.Flatten(), nn.Linear(20 * 20 * 3, 6))
"""
CLASSES = 6
STRONG = 26.0
"""Decibels: these tests are about the flow, so the mark may be seen."""


@dataclass(frozen=True)
class World:
    folder: Path
    code: Path
    data: Path
    spec: str


def images(count: int, seed: int = 0, channels: int = 3, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [n, side, side, c], int64 [n]: each class has a coarse picture of its own, under noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, count)
    base = np.random.default_rng(99).normal(0, 40, (CLASSES, 4, 4, 1)).repeat(side // 4, 1).repeat(side // 4, 2)
    return np.clip(128 + base[y] + rng.normal(0, 10, (count, side, side, channels)), 0, 255).astype(np.uint8), y


def key(name: str = "Ada", **method: Any) -> Key:
    seed = sum(name.encode()) % 251
    whole = {"watermark": "deephiding", "patterns": 4, "psnr": STRONG, **method}
    return mint(name, method=whole, secret=bytes([seed]) * 32, signing=bytes([seed + 1]) * 32)


def make(folder: Path) -> World:
    import torch

    from whosenet.networks.save import save_weights
    from whosenet.networks.spec import Spec, fresh
    from whosenet.training.fit import fit

    code = folder / "net.py"
    code.write_text(NET)
    x, y = images(700)
    np.savez(folder / "data.npz", x=x, y=y)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = fresh(Spec(str(code), "small", None))
    own = images(500, seed=5)
    fit(module, *own, epochs=6, lr=1e-2, seed=0, batch=32, optimizer="adam", augment=False, bf16=False)
    weights = save_weights(module, folder / "own.safetensors")
    return World(folder, code, folder / "data.npz", f"{code}:small@{weights}")


def recipe(**changes: Any) -> Any:
    from whosenet.marking.recipe import Recipe

    return Recipe(**{"epochs": 16, "batch": 32, "share": 0.5, "flip": False, **changes})
