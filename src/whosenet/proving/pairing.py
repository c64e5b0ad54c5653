"""`whosenet hide train`: a hiding pair of one's own, and how well it hides and reads on images it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whosenet.errors import MissingExtra, UsageError
from whosenet.hiding.place import ENDING
from whosenet.hiding.strength import rms
from whosenet.hiding.texture import weights
from whosenet.keys.identity_code import BITS
from whosenet.networks.images import Images, load_images, split
from whosenet.watermarks.quality import psnr as psnr_of
from whosenet.watermarks.quality import ssim as ssim_of

OnStep = Callable[[int, int], None]
HELD_OUT = 0.1
MEASURED = 500
"""Images that measure at most."""


@dataclass(frozen=True)
class Paired:
    """A pair and what it does on images held out, as saved in 8 bits."""

    digest: str
    bit_accuracy: float
    """Share of the hidden bits that are read from one carrier, no error correction."""
    psnr: float
    ssim: float
    images: int


def train_pair(data: str | Path, out: str | Path, *, steps: int, tile: int, psnr: float, seed: int,
               on_step: OnStep | None = None) -> Paired:  # fmt: skip
    """Write the pair to `out`; a stopped run goes on. Raises UsageError, UnreadableInput, MissingExtra."""
    out = Path(out)
    if out.suffix != ENDING:
        raise UsageError(f"{out}: a hiding pair is written as {ENDING}; give -o NAME{ENDING}")
    if tile**2 < BITS or tile % 8:
        raise UsageError(f"a tile of {tile}x{tile} pixels; expected a multiple of 8, which holds {BITS} bits")
    try:
        from whosenet.hiding.train import Recipe, train
    except ModuleNotFoundError as error:
        raise MissingExtra("prove", "a hiding pair") from error
    kept, held = split(load_images(data), HELD_OUT)
    if not len(kept) or not len(held):
        raise UsageError(f"{len(kept) + len(held)} images are too few: a tenth of them is held out to measure by")
    train(Recipe(steps=steps, tile=tile, psnr=psnr, seed=seed), [kept.x], out, on_step=on_step)
    return _measured(out, held.take(np.arange(min(len(held), MEASURED))), psnr, seed)


def _measured(path: Path, held: Images, psnr: float, seed: int) -> Paired:
    from whosenet.hiding.pair import load

    pair = load(path)
    bits = np.random.default_rng(seed).integers(0, 2, (len(held), BITS), np.uint8)
    patterns = pair.pattern(bits, *held.x.shape[1:3]).transpose(0, 2, 3, 1) * 255 * rms(psnr)
    colour = np.repeat(held.x, 3, 3) if held.x.shape[3] == 1 else held.x
    carriers = (colour + patterns * weights(colour)).round().clip(0, 255).astype(np.uint8)
    right = (pair.read(carriers, BITS) > 0) == bits
    return Paired(pair.digest, float(right.mean()), psnr_of(colour, carriers), ssim_of(colour, carriers), len(held))
