"""Real images for the populations: uint8 sets cut to 16x16, half kept apart for fine-tuning on unseen data.

CIFAR-10, GTSRB and Tiny-ImageNet-10 come from the folder in `WHOSENET_DATA` (else `../shared/data` beside the
checkout), read by its own `read.py`; scikit-learn's digits stand in for them in the tests.
"""

import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

CHECKOUT = Path(__file__).resolve().parents[2]
IMAGE_SETS = ("cifar10", "gtsrb", "tiny-imagenet-10")
SIDE = 16
KEPT_APART = 0.4


@dataclass(frozen=True)
class ImageSet:
    """float32 [n, 3, 16, 16], every image of zero mean and unit spread; int64 labels; `other` disjoint from `train`."""

    name: str
    classes: int
    train: tuple[torch.Tensor, torch.Tensor]
    other: tuple[torch.Tensor, torch.Tensor]
    test: tuple[torch.Tensor, torch.Tensor]


def data_folder() -> Path:
    """Where the image sets are; FileNotFoundError names the variable to set."""
    folder = Path(os.environ.get("WHOSENET_DATA", CHECKOUT.parent / "shared" / "data"))
    if not (folder / "read.py").is_file():
        raise FileNotFoundError(f"no image sets in {folder}: set WHOSENET_DATA to the folder that holds read.py")
    return folder


def load(name: str, cache: Path, *, train_images: int = 20_000, test_images: int = 500, seed: int = 0) -> ImageSet:
    """The first call decodes and writes `cache/data-NAME-*.npy`; later calls map those files."""
    x, y, x_test, y_test = _digits_as_colour() if name == "digits" else _decoded(name, cache)
    order = np.random.default_rng(seed).permutation(len(x))[:train_images]
    cut = int(len(order) * (1 - KEPT_APART))
    parts = (x, y, order[:cut]), (x, y, order[cut:]), (x_test, y_test, _spread(len(x_test), test_images))
    train, other, test = (_tensors(images, labels, rows) for images, labels, rows in parts)
    return ImageSet(name, int(y.max()) + 1, train, other, test)


def _decoded(name: str, cache: Path) -> tuple[np.ndarray, ...]:
    """uint8 [n, 16, 16, 3] and labels, train then test, from the cache or decoded into it."""
    files = [cache / f"data-{name}-{part}.npy" for part in ("x", "y", "x-test", "y-test")]
    if not all(file.is_file() for file in files):
        x, y, x_test, y_test, _ = _reader().load(name)
        cache.mkdir(parents=True, exist_ok=True)
        for file, array in zip(files, (_shrink(x), y, _shrink(x_test), y_test), strict=True):
            temporary = file.with_suffix(".tmp.npy")
            np.save(temporary, array)
            temporary.replace(file)
    return tuple(np.load(file, mmap_mode="r", allow_pickle=False) for file in files)


def _reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("image_set_reader", data_folder() / "read.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digits() -> tuple[np.ndarray, ...]:
    """scikit-learn's digits: float64 [n, 8, 8] of 0-16 and labels, 1,400 to train on and 397 to test."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x, y = bunch.images, bunch.target.astype(np.int64)
    return x[:1400], y[:1400], x[1400:], y[1400:]


def _digits_as_colour() -> tuple[np.ndarray, ...]:
    """Doubled to 16x16 and three channels, uint8."""
    x, y, x_test, y_test = digits()
    grow = [
        (a * (255 / 16)).astype(np.uint8).repeat(2, 1).repeat(2, 2)[..., None].repeat(3, axis=3) for a in (x, x_test)
    ]
    return grow[0], y, grow[1], y_test


def _shrink(x: np.ndarray) -> np.ndarray:
    """uint8 [n, 16, 16, 3]: block means of a square image whose side is a multiple of 16."""
    n, side = x.shape[:2]
    block = side // SIDE
    out = np.empty((n, SIDE, SIDE, 3), np.uint8)
    for start in range(0, n, 1000):
        part = x[start : start + 1000].reshape(-1, SIDE, block, SIDE, block, 3)
        out[start : start + 1000] = part.mean(axis=(2, 4)).round()
    return out


def _spread(count: int, wanted: int) -> np.ndarray:
    """Rows evenly spread over a test set that may be sorted by class."""
    return np.linspace(0, count - 1, min(count, wanted)).astype(np.int64)


def _tensors(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.from_numpy(np.ascontiguousarray(x[rows])).permute(0, 3, 1, 2).float()
    mean, spread = images.mean(dim=(1, 2, 3), keepdim=True), images.std(dim=(1, 2, 3), keepdim=True)
    return ((images - mean) / spread.clamp_min(8.0)).contiguous(), torch.from_numpy(np.asarray(y[rows], dtype=np.int64))
