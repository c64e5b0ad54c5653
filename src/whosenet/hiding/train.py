"""`whosenet hide train`: H and R together on anybody's images; goes on where it was stopped.

Deviations from UDH: the secret is bits (cross-entropy on the revealed ones in place of 0.75 times a squared error), and
the strength is fixed by normalising the pattern, so the cover's loss, which only held the strength down, is not needed.
Training begins with a stronger pattern and comes down to the asked one; without this, reading through JPEG is learnt
late or never.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from whosenet.errors import UsageError
from whosenet.hiding import pair
from whosenet.hiding.journey import drawn, rounded, travel
from whosenet.hiding.strength import rms
from whosenet.hiding.texture import weights
from whosenet.networks.images import Pixels
from whosenet.training import checkpoint as checkpoints

OnStep = Callable[[int, int], None]
KEPT_EVERY = 250
GREY = 0.15
"""Share of the batches in grey: images of one channel are marked, too."""


@dataclass(frozen=True)
class Recipe:
    """How a pair is trained; the same recipe, images and processor give the same pair."""

    steps: int = 5000
    tile: int = 8
    width: int = 32
    reveal_width: int = 48
    depth: int = 3
    psnr: float = 36.0
    """Strength at the end, in decibels of 255 against the pattern's root mean square."""
    lr: float = 1e-3
    batch: int = 64
    seed: int = 0
    stronger: float = 4.0
    """Strength at the beginning in multiples of that at the end ..."""
    until: float = 0.5
    """... which is reached after this share of the steps."""


def train(
    recipe: Recipe, images: list[Pixels], out: str | Path, *, start: pair.Pair | None = None,
    on_step: OnStep | None = None,
) -> str:  # fmt: skip
    """`images`: arrays uint8 [n, h, w, 1 or 3], one for each size; batches take them in turn. Returns the digest."""
    covers = [_covers(x, recipe.tile) for x in images]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        hide, reveal = pair.build(asdict(recipe))
    if start is not None:
        hide.load_state_dict(start.hide.state_dict())
        reveal.load_state_dict(start.reveal.state_dict())
    both = nn.ModuleDict({"hide": hide, "reveal": reveal}).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(both.parameters(), recipe.lr, betas=(0.5, 0.999))
    kept = Path(f"{out}.checkpoint")
    run = {**asdict(recipe), "images": [len(x) for x in covers], "start": start and start.digest}
    for step in range(checkpoints.load(kept, both, optimiser, run), recipe.steps):
        _step(both, optimiser, covers[step % len(covers)], recipe, step)
        if (step + 1) % KEPT_EVERY == 0:
            checkpoints.save(kept, both, optimiser, step + 1, run)
        if on_step is not None:
            on_step(step + 1, recipe.steps)
    digest = pair.save(hide, reveal, run, out)
    kept.unlink(missing_ok=True)
    return digest


def _step(
    both: nn.ModuleDict, optimiser: torch.optim.Optimizer, covers: torch.Tensor, recipe: Recipe, step: int
) -> None:
    draws = torch.Generator().manual_seed(int(np.random.SeedSequence([recipe.seed, step]).generate_state(1)[0]))
    share = step / recipe.steps
    for group in optimiser.param_groups:
        group["lr"] = recipe.lr * min(1.0, share / 0.05 + 0.02) * (0.5 * (1 + math.cos(math.pi * share)) + 0.003)
    bits = torch.randint(0, 2, (recipe.batch, recipe.tile**2), generator=draws).float()
    cover = covers[torch.randint(len(covers), (recipe.batch,), generator=draws)].float() / 255
    grey = float(torch.rand(1, generator=draws)) < GREY
    sent = _sent(both["hide"], bits, cover, recipe, share, draws, grey)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        read = both["reveal"](sent.contiguous(memory_format=torch.channels_last))
    loss = F.binary_cross_entropy_with_logits(read.float(), bits)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()


def _sent(hide: nn.Module, bits: torch.Tensor, cover: torch.Tensor, recipe: Recipe, share: float,
          draws: torch.Generator, grey: bool) -> torch.Tensor:  # fmt: skip
    """Carriers after their journey, float32 [n, 3, h, w] in 0..1."""
    tile, times = recipe.tile, [side // recipe.tile for side in cover.shape[-2:]]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pattern = hide(bits.mul(2).sub(1).view(-1, 1, tile, tile)).float()
    if grey:
        cover, pattern = cover.mean(1, keepdim=True).expand(-1, 3, -1, -1), in_grey(pattern).expand(-1, 3, -1, -1)
    extra = 1 + (recipe.stronger - 1) * max(0.0, 1 - share / recipe.until)
    carrier = rounded(cover + pattern.repeat(1, 1, *times) * (extra * rms(recipe.psnr)) * _textured(cover))
    return travel(carrier, cover, drawn(draws), draws)


def _textured(cover: torch.Tensor) -> torch.Tensor:
    """float32 [n, 1, h, w]: how strong the pattern is where."""
    pixels = (cover * 255).permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
    return torch.from_numpy(weights(pixels)).permute(0, 3, 1, 2)


def in_grey(pattern: torch.Tensor) -> torch.Tensor:
    """[n, 3, h, w] to [n, 1, h, w] of root mean square 1."""
    mean = pattern.mean(1, keepdim=True)
    return mean / mean.pow(2).mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-6)


def _covers(images: Pixels, tile: int) -> torch.Tensor:
    """uint8 [n, 3, h, w], cut to whole tiles."""
    height, width = (side // tile * tile for side in images.shape[1:3])
    if not height or not width:
        raise UsageError(f"images of {images.shape[1]}x{images.shape[2]} are smaller than one tile ({tile}x{tile})")
    x: Any = torch.from_numpy(np.require(images[:, :height, :width], requirements=["C", "W"])).permute(0, 3, 1, 2)
    covers: torch.Tensor = x.expand(-1, 3, -1, -1)
    return covers
