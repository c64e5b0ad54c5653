"""The world: nets on 16x16 images trained once and kept in bench/cache, wrong versions of their code, a fingerprint."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from whosenet.networks.architecture import architecture_of
from whosenet.networks.predict import probabilities
from whosenet.networks.spec import Network
from whosenet.questions.answers import Kind, Stack
from whosenet.questions.queryset import QuerySet, Yardstick

TWINS, CHOOSERS, NULL = 17, 4, 12
CODE = """
import torch
from torch import nn

class Small(nn.Sequential):
    def __init__(self, classes=4):
        super().__init__(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64, classes))

class Shifted(Small):
    def forward(self, x):
        return super().forward(x - 1)

class Dark(Small):
    def forward(self, x):
        return super().forward(x * 0.05)

class Turned(Small):
    def forward(self, x):
        return super().forward(1 - x.flip(1))

class Nan(Small):
    def forward(self, x):
        return super().forward(x) * float("nan")

class Strict(Small):
    def forward(self, x):
        if x.shape[-1] != 20:
            raise ValueError("this network takes images of 20x20")
        return super().forward(x)

class Shuffled(Small):
    def forward(self, x):
        return super().forward(x).roll(1, 1)

class Constant(Small):
    def forward(self, x):
        return super().forward(x * 0)

def small(): return Small()
def nine(): return Small(9)
def shifted(): return Shifted()
def dark(): return Dark()
def turned(): return Turned()
def nan(): return Nan()
def strict(): return Strict()
def shuffled(): return Shuffled()
def constant(): return Constant()
"""
"""Code that feeds or reads the same weights wrongly."""


@dataclass(frozen=True)
class Small:
    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data.npz"

    @property
    def fingerprint(self) -> Path:
        return self.folder / "owner.fingerprint"

    def spec(self, weights: str = "owner", factory: str = "small") -> str:
        return f"{self.folder / 'net.py'}:{factory}@{self.folder / weights}.safetensors"

    @property
    def null(self) -> list[str]:
        return [f"--reference={self.spec(f'twin{i}')}" for i in range(CHOOSERS, CHOOSERS + NULL)]


def images(count: int, seed: int = 0, strength: int = 34) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [n, 16, 16, 3] of four classes: a coloured pattern under heavy noise."""
    r = np.random.default_rng(seed)
    y = r.integers(0, 4, count)
    base = np.random.default_rng(99).normal(0, 1, (4, 4, 4, 3)).repeat(4, 1).repeat(4, 2)
    return np.clip(128 + strength * base[y] + r.normal(0, 60, (count, 16, 16, 3)), 0, 255).astype(np.uint8), y


def made(folder: Path) -> Small:
    """What is there is not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    small = Small(folder)
    (folder / "net.py").write_text(CODE)
    if not small.data.exists():
        x, y = images(800)
        np.savez(small.data, x=x, y=y)
    for seed, name in enumerate(["owner", *(f"twin{i}" for i in range(TWINS))]):
        _train(small, name, seed)
    _untrained(small)
    if not small.fingerprint.exists():
        _questions(small).save(small.fingerprint)
    return small


def _train(small: Small, name: str, seed: int) -> None:
    if (small.folder / f"{name}.safetensors").exists():
        return
    import torch

    from whosenet.networks.save import save_weights
    from whosenet.networks.spec import Spec, fresh
    from whosenet.training.fit import fit

    torch.set_num_threads(1)
    x, y = images(800)
    torch.manual_seed(seed)
    module = fresh(Spec(str(small.folder / "net.py"), "small", None))
    fit(module, x, y, epochs=8, lr=5e-3, seed=seed, optimizer="adam", augment=False, bf16=False)
    save_weights(module, small.folder / f"{name}.safetensors")


def _untrained(small: Small) -> None:
    """A fresh net, a net of nine classes, and twelve copies of one twin with a little noise."""
    import torch

    from whosenet.networks.save import save_weights
    from whosenet.networks.spec import Spec, fresh, load_network

    code = str(small.folder / "net.py")
    for name, factory in (("fresh", "small"), ("nine", "nine")):
        if not (small.folder / f"{name}.safetensors").exists():
            torch.manual_seed(1000)
            save_weights(fresh(Spec(code, factory, None)), small.folder / f"{name}.safetensors")
    for i in range(NULL):
        if not (small.folder / f"clone{i}.safetensors").exists():
            module = load_network(small.spec(f"twin{CHOOSERS}")).module
            torch.manual_seed(i)
            with torch.no_grad():
                for weight in module.parameters():
                    weight.add_(1e-3 * torch.randn_like(weight))
            save_weights(module, small.folder / f"clone{i}.safetensors")


def _questions(small: Small, points: int = 90, controls: int = 10) -> QuerySet:
    """Points: faint images on which the choosers hardly agree with the owner, as many of each class; controls: clear ones; the copies are noisy owners."""
    from whosenet.networks.spec import load_network

    owner = load_network(small.spec())
    chose = [load_network(small.spec(f"twin{i}")) for i in range(CHOOSERS)]
    faint, clean = images(6000, seed=5, strength=8), images(500, seed=6)
    x, y = (np.concatenate(pair) for pair in zip(faint, clean, strict=True))
    hard = np.arange(len(x)) < len(faint[0])
    said = probabilities(owner.module, x)
    label = said.argmax(1)
    agree = sum((probabilities(n.module, x).argmax(1) == label).astype(int) for n in chose)
    picked = [
        rows[agree[rows].argsort(kind="stable")] for rows in (np.flatnonzero(hard & (label == k)) for k in range(4))
    ]
    rows = np.concatenate([p[: points // 4 + 1] for p in picked])[:points]
    right = [np.flatnonzero(~hard & (label == y) & (y == k)) for k in range(4)]
    easy = [r[(-agree[r]).argsort(kind="stable")] for r in right]
    known = np.concatenate([e[: controls // 4 + 1] for e in easy])[:controls]
    order = np.random.default_rng(0).permutation(points + controls)
    rows, control = np.concatenate([known, rows])[order], (np.arange(points + controls) < controls)[order]
    yardstick = Yardstick(clean[0][:200], clean[1][:200].astype(np.int64))
    kind = Kind(architecture_of(owner.module), yardstick.accuracy(said[~hard][:200].argmax(1)))
    return QuerySet(
        images=x[rows], expected=label[rows].astype(np.int64), probabilities=said[rows], control=control, method="null",
        parameters=kind.document(), owner=owner.digest, chosen_by=tuple(n.digest for n in chose),
        copies=_copies(owner, x[rows]), yardstick=yardstick,
    )  # fmt: skip


def _copies(owner: Network, x: np.ndarray, count: int = 6) -> Stack:
    import torch

    from whosenet.networks.spec import digest_of

    said, digests, before = [], [], {k: v.clone() for k, v in owner.module.state_dict().items()}
    for i in range(count):
        torch.manual_seed(i)
        with torch.no_grad():
            for weight in owner.module.parameters():
                weight.add_(0.05 * weight.std() * torch.randn_like(weight))
        said.append(probabilities(owner.module, x))
        digests.append(digest_of(owner.module))
        owner.module.load_state_dict(before)
    shown = np.stack(said)
    return Stack(tuple(digests), tuple(f"noise {i}" for i in range(count)), shown.argmax(2).astype(np.int64), shown)
