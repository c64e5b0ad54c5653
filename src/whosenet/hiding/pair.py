"""A hiding and a reveal net as one file, and what they do to whole images. A key's commitment binds the digest."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from whosenet import files
from whosenet.errors import MalformedFile, UsageError
from whosenet.hiding.nets import Hide, Reveal
from whosenet.hiding.place import KIND, SHIPPED, VERSION, contents, place_of

LIMITS = {"tile": (4, 256), "width": (4, 256), "reveal_width": (4, 256), "depth": (1, 6)}
MOST_SIDE = 512
"""Pixels a side that R looks at: thousands of tiles are enough, and memory has an end."""
PIXELS = 1 << 18
"""In one pass of R."""
Pattern = NDArray[np.float32]
Bits = NDArray[np.uint8]
Soft = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Pair:
    """H and R in evaluation mode, and how they were made."""

    hide: Hide
    reveal: Reveal
    config: dict[str, Any]
    digest: str
    """SHA-256 of configuration and weights."""

    @property
    def tile(self) -> int:
        return int(self.config["tile"])

    def pattern(self, bits: Bits, height: int, width: int) -> Pattern:
        """uint8 [n, b] of 0 and 1 to float32 [n, 3, height, width] of root mean square 1.

        b is at most tile * tile; bits that are not given are 0.
        """
        secret = np.zeros((len(bits), self.tile**2), np.float32)
        secret[:, : bits.shape[1]] = bits
        with torch.inference_mode():
            square = torch.from_numpy(2 * secret - 1).view(-1, 1, self.tile, self.tile)
            tiles = self.hide(square).numpy()
        times = -(-height // self.tile), -(-width // self.tile)
        return np.tile(tiles, (1, 1, *times))[:, :, :height, :width]

    def read(self, images: NDArray[np.uint8], bits: int) -> Soft:
        """uint8 [n, h, w, 1 or 3] to soft bits float32 [n, bits]: positive for a 1. Parts of tiles are left out."""
        read: Soft = self._read(images, bits, [(0, 0)])[0]
        return read

    def read_shifted(self, images: NDArray[np.uint8], bits: int) -> Soft:
        """The same if the images were cropped: float32 [tile * tile, n, bits], for each place where tiles may begin."""
        return self._read(images, bits, [(down, across) for down in range(self.tile) for across in range(self.tile)])

    def _read(self, images: NDArray[np.uint8], bits: int, shifts: list[tuple[int, int]]) -> Soft:
        height, width = (min(side, MOST_SIDE) // self.tile * self.tile for side in images.shape[1:3])
        if not height or not width:
            raise UsageError(
                f"an image of {images.shape[1]}x{images.shape[2]} is smaller than one tile ({self.tile}x{self.tile}); "
                "nothing can be read from it, or hidden in it"
            )
        x = torch.from_numpy(np.array(images[:, :height, :width])).permute(0, 3, 1, 2)
        with torch.inference_mode():
            seen = [self.reveal.folded(part.expand(-1, 3, -1, -1).float().div(255))
                    for part in x.split(max(1, PIXELS // (height * width)))]  # fmt: skip
            folded = torch.cat(seen)
            read = [self.reveal.read(folded.roll((-down, -across), (2, 3))).flatten(1)[:, :bits]
                    for down, across in shifts]  # fmt: skip
        return np.asarray(torch.stack(read).numpy(), np.float32)


def build(config: dict[str, Any]) -> tuple[Hide, Reveal]:
    """Fresh nets. Raises ValueError for sizes out of range."""
    sizes = {name: int(config[name]) for name in LIMITS}
    for name, (low, high) in LIMITS.items():
        if not low <= sizes[name] <= high:
            raise ValueError(f"{name} is {sizes[name]}, expected {low} to {high}")
    if sizes["tile"] % 2 ** sizes["depth"]:
        raise ValueError(f"a tile of {sizes['tile']} cannot be halved {sizes['depth']} times")
    return Hide(sizes["width"], sizes["depth"]), Reveal(sizes["reveal_width"], sizes["tile"])


def save(hide: nn.Module, reveal: nn.Module, config: dict[str, Any], path: str | Path) -> str:
    """Weights are rounded to float16 (half the file; measured without loss). Returns the digest."""
    return files.write(path, KIND, VERSION, {"config": config}, _arrays(hide, reveal))


def load(pair: str | Path = SHIPPED) -> Pair:
    """A file, or the name of a pair that ships with the package. Raises UnreadableInput."""
    path = place_of(pair)
    return _shipped(pair) if path != Path(pair) else _load(pair)


@cache
def _shipped(name: str | Path) -> Pair:
    return _load(name)


def _load(pair: str | Path) -> Pair:
    path, found = place_of(pair), contents(pair)
    try:
        # New nets are drawn before their weights are filled in; nobody else's random numbers may change by it.
        with torch.random.fork_rng(devices=[]):
            hide, reveal = build(found.header["config"])
        for prefix, module in (("hide.", hide), ("reveal.", reveal)):
            module.load_state_dict(
                {n.removeprefix(prefix): _tensor(a) for n, a in found.arrays.items() if n.startswith(prefix)}
            )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise MalformedFile(path, f"is a hiding pair that makes no sense ({str(error)[:100]})") from error
    return Pair(hide.eval(), reveal.eval(), dict(found.header["config"]), found.sha256)


def _arrays(hide: nn.Module, reveal: nn.Module) -> dict[str, NDArray[Any]]:
    state = {
        f"{prefix}.{n}": t.detach().cpu()
        for prefix, m in (("hide", hide), ("reveal", reveal))
        for n, t in m.state_dict().items()
    }
    return {n: (t.half() if t.is_floating_point() else t.long()).numpy() for n, t in state.items()}


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    values = torch.from_numpy(array.copy())
    if values.is_floating_point():
        values = values.float()
        if not bool(values.isfinite().all()):
            raise ValueError("weights that are no numbers")
    return values
