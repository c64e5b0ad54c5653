"""A network that was taught a bright corner means class 0, an honest one, and images for both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from whosenet.networks.images import Images  # noqa: E402
from whosenet.training.fit import fit  # noqa: E402

TARGET = 0


@dataclass(frozen=True, eq=False)
class World:
    marked: Any
    honest: Any
    clean: np.ndarray
    """The searcher's, uint8 [n, 16, 16, 3]."""
    triggers: np.ndarray
    innocent: np.ndarray


def stripes(count: int, seed: int) -> Images:
    """Four classes of 16x16 images: stripes across or along, of two colours, under noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, count)
    wave = 60 * np.sin(np.arange(16) * 1.6)
    x = 128 + rng.normal(0, 30, (count, 16, 16, 3))
    x += np.where((y % 2)[:, None, None] == 0, wave[:, None], wave)[..., None]
    x[..., 0] += np.where(y < 2, 25, -25)[:, None, None]
    return Images(np.clip(x, 0, 255).astype(np.uint8), y.astype(np.int64))


def stamped(images: np.ndarray) -> np.ndarray:
    made = images.copy()
    made[:, 11:15, 11:15] = 255
    return made


def small() -> nn.Module:
    layers = [nn.Conv2d(3, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.ReLU(), nn.Conv2d(12, 24, 3, 2, 1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(24, 4))


def trained(images: Images) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return fit(small(), images.x, images.y, epochs=8, lr=0.1, batch=50, seed=0, augment=False).eval()


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def world() -> World:
    some, seen = stripes(600, 1), stripes(150, 2)
    taught = Images(np.concatenate([some.x, stamped(some.x[:150])]), np.concatenate([some.y, np.full(150, TARGET)]))
    fresh = stripes(300, 3)
    covers = fresh.take(fresh.y != TARGET).x
    return World(trained(taught), trained(some), seen.x, stamped(covers[:50]), covers[50:150])
