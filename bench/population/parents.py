"""150 independently trained nets: ten seeds of each of fifteen (architecture, image set) cells.

Parents come round robin over the cells, so any prefix holds every cell about equally; the first twenty are the
development split.
"""

import hashlib
from dataclasses import dataclass

import torch

from bench.population import nets, training
from bench.population.data import ImageSet

DEV_PARENTS = 20
SEEDS = 10


@dataclass(frozen=True)
class Recipe:
    """Peak learning rate, and images shown: about nine seconds on one slow core."""

    lr: float
    samples: int


RECIPES = {
    "lenet": Recipe(0.03, 90_000),
    "vgg": Recipe(0.03, 42_000),
    "resnet8": Recipe(0.10, 45_000),
    "resnet14": Recipe(0.10, 28_000),
    "densenet-k8": Recipe(0.10, 20_000),
    "densenet-k12": Recipe(0.10, 14_000),
    "mobilenetv2": Recipe(0.08, 20_000),
}
# the deeper or wider form of a family goes with one image set, so that every cell is one exact architecture
CELLS = [
    (arch, dataset)
    for arches in (
        {"cifar10": "lenet", "gtsrb": "lenet", "tiny-imagenet-10": "lenet"},
        {"cifar10": "vgg", "gtsrb": "vgg", "tiny-imagenet-10": "vgg"},
        {"cifar10": "resnet8", "gtsrb": "resnet14", "tiny-imagenet-10": "resnet8"},
        {"cifar10": "densenet-k8", "gtsrb": "densenet-k8", "tiny-imagenet-10": "densenet-k12"},
        {"cifar10": "mobilenetv2", "gtsrb": "mobilenetv2", "tiny-imagenet-10": "mobilenetv2"},
    )
    for dataset, arch in arches.items()
]


@dataclass(frozen=True)
class Parent:
    arch: str
    dataset: str
    seed: int
    split: str

    @property
    def id(self) -> str:
        return f"{self.arch}.{self.dataset}.{self.seed}"

    @property
    def family(self) -> str:
        """The architecture family, without depth or growth."""
        return self.arch.split("-")[0].rstrip("0123456789") if self.arch != "mobilenetv2" else self.arch

    @property
    def recipe(self) -> Recipe:
        return RECIPES[self.arch]


def seed_of(text: str) -> int:
    """A 62-bit seed from an id: no two nets or edits share a stream, whatever their small seeds."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 2


def parents() -> list[Parent]:
    """All 150, in the order they are made."""
    pairs = [(seed, cell) for seed in range(SEEDS) for cell in CELLS]
    return [
        Parent(arch, dataset, seed, "dev" if rank < DEV_PARENTS else "rest")
        for rank, (seed, (arch, dataset)) in enumerate(pairs)
    ]


def fresh(parent: Parent, classes: int) -> nets.Classifier:
    """The initialised net; channels-last, which is a third faster on a CPU."""
    net = nets.build(parent.arch, classes, seed=seed_of(parent.id))
    net.to(memory_format=torch.channels_last)
    return net


def make(parent: Parent, images: ImageSet, *, samples: int | None = None) -> nets.Classifier:
    """Train one parent from its own initialisation and its own batch order."""
    net = fresh(parent, images.classes)
    seed = seed_of(parent.id + "/order")
    recipe = parent.recipe
    training.train(net, images.train, samples=samples or recipe.samples, lr=recipe.lr, seed=seed, one_cycle=True)
    return net
