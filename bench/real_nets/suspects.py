"""Everybody who is asked: the published files by their own runtimes, their copies, services, and nets trained here.

`origin` names the training a net goes back to. A suspect is derived from an owner if both have the same origin.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.identify import on_the_way
from bench.real_nets import copies
from bench.real_nets.convert import NETS, OWNERS, Published, models_folder, network
from bench.test_population.store import Record, TestStore
from whosenet.networks.images import Pixels
from whosenet.networks.predict import probabilities
from whosenet.suspects.open import open_suspect

Matrix = NDArray[np.float32]
CHOOSERS = tuple(
    f"cifar10.{architecture}.{one}"
    for architecture in ("resnet", "vgg", "dense")
    for one in ("full.3", "half-a.2", "half-b.2", "sibling.3")
)
"""Honest nets of ours that choose points, of every kind. They, and what was made of them, are in no other role."""
EQUALS = {
    "akamaster-resnet20": ("deepjudge-resnet20", "tiny-ic-a-h5"),
    "akamaster-resnet32": ("deepjudge-resnet20", "tiny-ic-a-h5"),
    "deepjudge-resnet20": ("akamaster-resnet20", "tiny-ic-a-h5"),
    "tiny-ic-a-h5": ("akamaster-resnet20", "deepjudge-resnet20"),
    "tiny-ic-b-tflite": ("akamaster-resnet20", "deepjudge-resnet20"),
}
"""Two nets by other authors, about as good as the owner's, that choose points beside ours where a method's name ends in
WITH_EQUALS. Ours are all weaker than any published one, and points that ours leave may be what every good net says."""
WITH_EQUALS = ", equals choose"


@dataclass(frozen=True)
class Someone:
    """A suspect, or a null reference."""

    id: str
    origin: str
    group: str
    """published | file | the attack on a published net | on-the-way | ours (honest) | ours, attacked."""
    accuracy: float | None
    answer: Callable[[Pixels], Matrix]
    """uint8 [n, 32, 32, 3] -> float32 [n, 10] probabilities; NaN where the suspect gave no valid answer."""


def everybody(store: TestStore) -> list[Someone]:
    """All that exist by now."""
    return [*_published(), *_files(), *_copies(), *_services(), *_ours(store)]


def _published() -> Iterator[Someone]:
    for name in OWNERS:
        yield Someone(name, NETS[name].origin, "published", None, lambda x, n=name: probabilities(network(n).module, x))


def _files() -> Iterator[Someone]:
    """The Keras and TFLite files themselves, each run by its own runtime as `whosenet probe FILE` does."""
    for name, net in NETS.items():
        if net.layout != "torch":
            yield Someone(f"{name}.file", net.origin, "file", None, lambda x, n=net: _by_runtime(n, x))


def _by_runtime(net: Published, x: Pixels) -> Matrix:
    with open_suspect(str(models_folder() / net.file), input=net.input, threads=1) as suspect:
        said = suspect.ask(x, classes=10)
    if said.probabilities is None or len(said) != len(x):
        raise RuntimeError(f"{net.id}: {said.problems}")
    return said.probabilities


def _copies() -> Iterator[Someone]:
    for label in copies.RECIPES:
        for owner in OWNERS:
            one = copies.copy(owner, label)
            if one is not None:
                yield Someone(f"{owner}+{label}", NETS[owner].origin, label, one.accuracy,
                              lambda x, c=one: probabilities(c.network().module, x))  # fmt: skip


def _services() -> Iterator[Someone]:
    for change in on_the_way.CHANGES:
        for owner in OWNERS:
            yield Someone(f"{owner}+{change}", NETS[owner].origin, "on-the-way", None,
                          lambda x, c=change, o=owner: on_the_way.answers(c, network(o), x))  # fmt: skip


def _ours(store: TestStore) -> Iterator[Someone]:
    for record in store.nets(image_set="cifar10"):
        if record["kind"] != "public":
            root = record["parent"] if record["kind"] == "derived" else record["id"]
            group = "ours" if record["kind"] == "honest" else "ours, attacked"
            yield Someone(record["id"], root, group, record["accuracy"], lambda x, r=record: _ask(store, r, x))


def _ask(store: TestStore, record: Record, x: Pixels) -> Matrix:
    return probabilities(store.load(record), x)


def equals(owner: str, method: str) -> tuple[str, ...]:
    """Ids of the published nets that chose points of `owner` beside ours."""
    return EQUALS[owner] if method.endswith(WITH_EQUALS) else ()


def taken(owner: str, method: str) -> frozenset[str]:
    """Origins that chose points: in no other role."""
    return frozenset({*CHOOSERS, *(NETS[name].origin for name in equals(owner, method))})


def choosers(store: TestStore) -> list[Record]:
    """Raises LookupError while the population is not so far."""
    known = store.records()
    missing = [name for name in CHOOSERS if name not in known]
    if missing:
        raise LookupError(f"not trained yet: {missing}; run bench/test_population/build.py first")
    return [known[name] for name in CHOOSERS]


def cache_folder(store: TestStore) -> Path:
    return store.cache / "real"
