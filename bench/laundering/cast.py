"""Whose networks are laundered: parents of the FIND population and small Llamas, development and report apart.

Development: the population's development split, and the first two Llamas. Report: the others.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bench.laundering import texts, train_llama
from bench.laundering.llama import llama
from bench.population import nets
from bench.population.data import KEPT_APART
from bench.population.index import Record, Store, default_root
from whosenet.networks.images import Images
from whosenet.networks.spec import Network, Spec, digest_of

LLAMAS, DEV_LLAMAS = 12, 2


class Standard(nn.Module):
    """Images of 0..1 to zero mean and unit spread each, as the population's nets were trained on."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x * 255
        return self.net((x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True).clamp_min(8.0))


@dataclass(frozen=True)
class Parent:
    """A network that may be stolen: its name, its weight file, and where it comes from."""

    id: str
    kind: str
    """The architecture (llama among them)."""
    cell: str
    """Nets of one cell are retrainings for the same task."""
    path: Path
    build: Callable[[], nn.Module]

    def network(self) -> Network:
        from whosenet.networks.spec import load_weights

        module = self.build()
        load_weights(module.net if isinstance(module, Standard) else module, self.path)
        return Network(module.eval(), digest_of(module), Spec("bench.laundering", "x", None), self.build)

    def images(self) -> tuple[Images, Images]:
        """(the thief's, held out): real images, or windows of text."""
        if self.kind == "llama":
            return texts.as_images(1500, seed=7), texts.as_images(300, seed=8, held_out=True)
        return _images(self.cell.split("/")[1])


def parents(split: str) -> list[Parent]:
    """ "dev" or "report": CNNs in the order they were trained, then Llamas."""
    records = list(Store().models(split="dev" if split == "dev" else "rest"))
    found = [_cnn(r) for r in records if not r["edit"]]
    numbers = range(DEV_LLAMAS) if split == "dev" else range(DEV_LLAMAS, LLAMAS)
    made = [n for n in numbers if train_llama.path(n).is_file()]
    return found + [Parent(f"llama.{n}", "llama", "llama/text", train_llama.path(n), llama) for n in made]


def chosen(split: str, per_cell: int, llamas: int) -> list[Parent]:
    """The first `per_cell` CNNs of each cell and so many Llamas."""
    counts: dict[str, int] = {}
    out = []
    for p in parents(split):
        counts[p.cell] = counts.get(p.cell, 0) + 1
        if counts[p.cell] <= (llamas if p.kind == "llama" else per_cell):
            out.append(p)
    return out


def everybody() -> Iterator[Parent]:
    """Every parent there is: the library a suspect is looked for in."""
    yield from parents("dev")
    yield from parents("report")


def _cnn(r: Record) -> Parent:
    classes = 43 if r["dataset"] == "gtsrb" else 10
    arch = r["arch"]
    return Parent(
        r["id"], arch, f"{arch}/{r['dataset']}", Path(r["path"]), lambda: Standard(nets.build(arch, classes, seed=0))
    )


def _images(name: str) -> tuple[Images, Images]:
    """Of the images that no parent was trained on, as data.py splits them: 4,000 to tune on; 500 of the test set."""
    root = default_root()
    x, y, xt, yt = (np.load(root / f"data-{name}-{part}.npy", mmap_mode="r") for part in ("x", "y", "x-test", "y-test"))
    order = np.random.default_rng(0).permutation(len(x))[:20_000]
    rows = np.sort(order[int(len(order) * (1 - KEPT_APART)) :][:4000])
    test = np.linspace(0, len(xt) - 1, 500).astype(np.int64)
    return (
        Images(np.asarray(x[rows]), np.asarray(y[rows], np.int64)),
        Images(np.asarray(xt[test]), np.asarray(yt[test], np.int64)),
    )
