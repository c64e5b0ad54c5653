"""Fingerprints of every owner, and what every net says to them: made once, kept in the cache, extended as nets appear.

A fingerprint is `cache/test/asked/METHOD/OWNER.fingerprint`, the answers beside it in `OWNER.npz` (ids, labels [m, n],
probabilities [m, n, k]).
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from bench.identify import cast, on_the_way
from bench.test_population.store import Record, TestStore
from whosenet import registry
from whosenet.networks.images import Images
from whosenet.networks.predict import probabilities
from whosenet.questions import queryset
from whosenet.questions.answers import UNKNOWN, Answers, Kind, Stack
from whosenet.questions.queryset import QuerySet

MADE_FROM = 10_000
"""Images that a fingerprint is made from, at most."""
SOURCE = {"cifar10": "test", "gtsrb": "test", "tiny": "owner"}
"""Images nobody was trained on, so that no honest net knows them; Tiny-ImageNet-10 has too few of those."""


def folder(store: TestStore, method: str) -> Path:
    return store.root / "asked" / method


def is_made(store: TestStore, owner: Record, method: str) -> bool:
    return (folder(store, method) / f"{owner['id']}.fingerprint").is_file()


def fingerprint(store: TestStore, owner: Record, method: str, *, points: int, seed: int = 0) -> QuerySet:
    """Made with the tool's defaults, or read if it is there; the seconds it took are kept beside it."""
    path = folder(store, method) / f"{owner['id']}.fingerprint"
    if path.is_file():
        return queryset.load(path)
    images: Images = store.images(owner["image_set"])[SOURCE[owner["image_set"]]]
    images = images.take(np.sort(np.random.default_rng(0).permutation(len(images))[:MADE_FROM]))
    records = store.nets(image_set=owner["image_set"], kind="honest")
    chose = [store.network(r) for r in records if r["id"] in cast.choosers(owner, records)]
    plugin = registry.load("fingerprint", method)()
    began = time.process_time()
    made: QuerySet = plugin.make(store.network(owner), images, chose, points=points, seed=seed)
    seconds = time.process_time() - began
    made.save(path)
    path.with_suffix(".json").write_text(json.dumps({"seconds": seconds, "parameters": dict(made.parameters)}))
    print(f"{method} {owner['id']}: {seconds:.0f} s", file=sys.stderr, flush=True)
    return made


def ask_all(store: TestStore, image_set: str, questions: dict[tuple[str, str], QuerySet]) -> None:
    """Put the questions, keyed by (method, owner id), to every net of the image set that has not answered them yet."""
    held = {key: _read(store, key) for key in questions}
    for record in store.nets(image_set=image_set):
        if record["kind"] == "public":
            continue
        asks = [key for key in questions if record["id"] not in held[key]]
        if not asks:
            continue
        module = store.load(record)
        for key in asks:
            held[key][record["id"]] = probabilities(module, questions[key].images)
    for key, query_set in questions.items():
        _on_the_way(store, key, query_set, held[key])
        _write(store, key, held[key])


def _on_the_way(store: TestStore, key: tuple[str, str], questions: QuerySet, held: dict[str, np.ndarray]) -> None:
    """The owner's own network behind services that change images or answers: derived suspects that need no training."""
    missing = [name for name in on_the_way.CHANGES if f"{key[1]}+{name}" not in held]
    if missing:
        owner = store.network(store.records()[key[1]])
        for name in missing:
            held[f"{key[1]}+{name}"] = on_the_way.answers(name, owner, questions.images)


def _path(store: TestStore, key: tuple[str, str]) -> Path:
    return folder(store, key[0]) / f"{key[1]}.npz"


def _read(store: TestStore, key: tuple[str, str]) -> dict[str, np.ndarray]:
    path = _path(store, key)
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as found:
        return dict(zip(found["ids"].tolist(), found["probabilities"].astype(np.float32), strict=True))


def _write(store: TestStore, key: tuple[str, str], held: dict[str, np.ndarray]) -> None:
    path = _path(store, key)
    part = path.with_suffix(".part.npz")
    np.savez(part, ids=np.array(list(held)), probabilities=np.stack(list(held.values())).astype(np.float32))
    part.replace(path)


class Said:
    """All answers to one fingerprint."""

    def __init__(self, store: TestStore, method: str, owner: str) -> None:
        self.probabilities = _read(store, (method, owner))
        self._known = store.records()

    def kind(self, net: str) -> Kind:
        """By the population's record: a name for the architecture, and the accuracy on images that no net has seen."""
        found = self._known.get(net)
        return Kind(found["architecture"], found["accuracy"]) if found else UNKNOWN

    def answers(self, net: str, *, labels_only: bool = False) -> Answers:
        said = self.probabilities[net]
        return Answers(said.argmax(1).astype(np.int64), None if labels_only else said)

    def stack(self, nets: tuple[str, ...]) -> Stack:
        said = np.stack([self.probabilities[net] for net in nets])
        return Stack(nets, nets, said.argmax(2).astype(np.int64), said, tuple(self.kind(net) for net in nets))
