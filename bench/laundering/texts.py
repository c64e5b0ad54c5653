"""Real text: the sources of Python's standard library, as bytes."""

import sysconfig
from functools import cache
from pathlib import Path

import numpy as np

from bench.laundering.llama import CONTEXT
from whosenet.networks.images import Images

TRAIN = 3_000_000
HELD_OUT = 200_000


@cache
def corpus() -> np.ndarray:
    """uint8 [about 3.2 million]: whole files in the order of their names, test suites left out."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(root.glob("*.py")) + sorted(
        p for d in ("asyncio", "email", "http", "json") for p in (root / d).glob("*.py")
    )
    data = b"".join(f.read_bytes() for f in files)[: TRAIN + HELD_OUT]
    return np.frombuffer(data, np.uint8)


def windows(count: int, seed: int, *, held_out: bool = False, length: int = CONTEXT) -> np.ndarray:
    """uint8 [count, length + 1] at random places of the first 3 million bytes, or of the rest."""
    text = corpus()
    cut = len(text) - HELD_OUT
    part = text[cut:] if held_out else text[:cut]
    starts = np.random.default_rng(seed).integers(0, len(part) - length - 1, count)
    return part[starts[:, None] + np.arange(length + 1)]


def as_images(count: int, seed: int, *, held_out: bool = False) -> Images:
    """The same as Images: `x` uint8 [n, t, 1, 1], `y` the byte that follows."""
    w = windows(count, seed, held_out=held_out)
    return Images(np.ascontiguousarray(w[:, :-1, None, None]), w[:, -1].astype(np.int64), tuple(map(str, range(256))))
