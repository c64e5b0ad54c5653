"""Nets of the development owners: what defaults are chosen on. The final report looks at other owners only.

Development owners are the nets numbered 0 of CIFAR-10, each architecture's first; the population attacks the nets numbered
1 and up, so a thief's copies of these are made here, in the cache, once.
"""

import hashlib
import sys
from dataclasses import dataclass

import numpy as np

from bench.identify import cast as report
from bench.population.index import CHECKOUT
from bench.test_population.data import other_domain
from bench.test_population.store import NETS, TestStore
from whosenet import registry
from whosenet.fingerprints import rehearsal, views
from whosenet.networks.images import Images
from whosenet.networks.save import save_weights
from whosenet.networks.spec import Network, load_network

OWNERS = ("cifar10.resnet.full.0", "cifar10.vgg.full.0")
SOURCE, MADE_FROM = "test", 10_000
"""Points are made from images nobody was trained on, as in the report."""
SEED = 7
OTHER = {"resnet": "vgg", "vgg": "resnet"}
SHORT = {"epochs": 8}
THIEVES: dict[str, tuple[str, dict[str, object], str]] = {
    "extract-label": ("extract-label", SHORT, ""),
    "distil": ("distil", SHORT, ""),
    "extract-label, other architecture": ("extract-label", SHORT, "architecture"),
    "extract-probability": ("extract-probability", SHORT, ""),
    "adversarial-training": ("adversarial-training", {"epochs": 2}, ""),
    "extract-probability, other images": ("extract-probability", SHORT, "queries"),
    "ftal": ("ftal", {}, ""),
}
"""Name -> (attack, settings, what the thief chooses otherwise)."""


@dataclass(frozen=True)
class Cast:
    owner: Network
    images: Images
    references: list[Network]
    shadows: list[Network]
    derived: dict[str, Network]
    honest: dict[str, Network]


def cast(store: TestStore, name: str, most: int = 30) -> Cast:
    """Everybody who plays for the development owner `name`; at most `most` honest nets, drawn once."""
    records = store.nets(image_set="cifar10", kind="honest")
    record = next(r for r in records if r["id"] == name)
    chose = report.choosers(record, records)
    rest = sorted(r["id"] for r in records if r["id"] not in (*chose, name))
    rest.sort(key=lambda i: hashlib.sha256(i.encode()).hexdigest())
    known = store.records()
    owner, images = store.network(record), _some(store.images("cifar10")[SOURCE], MADE_FROM)
    references = [store.network(known[i]) for i in chose]
    return Cast(
        owner, images, references, shadows(store, name, owner, images, references),
        {thief: copy(store, name, owner, thief) for thief in THIEVES},
        {i: store.network(known[i]) for i in rest[:most]},
    )  # fmt: skip


def copy(store: TestStore, name: str, owner: Network, thief: str) -> Network:
    """The thief's copy, made from images the owner never saw unless it is there already."""
    attack, settings, choice = THIEVES[thief]
    architecture = name.split(".")[1]
    if choice == "architecture":
        architecture = OTHER[architecture]
        settings = {**settings, "architecture": f"{CHECKOUT / NETS}:{architecture}"}
    if choice == "queries":
        settings = {**settings, "queries": str(_queries(store))}
    path = store.root / "points" / name / f"{thief.replace(', ', '-').replace(' ', '-')}.safetensors"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        images = _some(store.images("cifar10")["thief"], 20_000)
        made = registry.load("attack", attack)(**settings).run(
            owner, images, seed=SEED, held_out=store.images("cifar10")["eval"]
        )
        save_weights(made.module, path)
        print(f"{name} {thief}: accuracy {made.accuracy_after:.3f}, {made.seconds:.0f} s", file=sys.stderr, flush=True)
    return load_network(f"{CHECKOUT / NETS}:{architecture}@{path}")


def shadows(store: TestStore, name: str, owner: Network, images: Images, references: list[Network], *, count: int = 6,
            size: int = 10_000, epochs: int = 8) -> list[Network]:  # fmt: skip
    """The copies that deepcore would train itself with these settings; kept, so that they are trained once."""
    folder = store.root / "points" / name
    names = {n.spec.factory: n for n in (owner, *references)}
    builds = [names[f].build for f in names]
    paths = [folder / f"shadow-{size}-{epochs}-{i}.safetensors" for i in range(count)]
    if not all(p.is_file() for p in paths):
        folder.mkdir(parents=True, exist_ok=True)
        made = rehearsal.copies(
            owner.module, builds, images, count=count, size=size, epochs=epochs,
            mirror=not views.minds_mirrors(owner.module, images.x[:500]), seed=0, on_step=lambda done, total: None,
        )  # fmt: skip
        for path, module in zip(paths, made, strict=True):
            save_weights(module, path)
            print(f"{name} {path.stem}", file=sys.stderr, flush=True)
    factories = list(names)
    return [load_network(f"{CHECKOUT / NETS}:{factories[i % len(factories)]}@{p}") for i, p in enumerate(paths)]


def _some(images: Images, count: int) -> Images:
    return images.take(np.arange(min(len(images), count)))


def _queries(store: TestStore) -> object:
    path = store.root / "points" / "other-images.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        images = other_domain("cifar10")
        np.savez(path, x=images.x, y=images.y)
    return path
