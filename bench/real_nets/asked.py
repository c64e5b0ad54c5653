"""Fingerprints of the published networks and what everybody says to them, kept in the cache, extended as nets appear.

`cache/real/asked/METHOD/OWNER.fingerprint`, beside it `OWNER.json` (seconds) and `OWNER.npz` (ids, probabilities
[m, n, k]) with the digest of the questions: a new fingerprint starts with no answers. Delete a folder to make it anew.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.real_nets.convert import network
from bench.real_nets.suspects import WITH_EQUALS, Matrix, Someone, cache_folder, choosers, equals
from bench.test_population.data import EVALUATED
from bench.test_population.store import TestStore
from whosenet import registry
from whosenet.networks.images import Images
from whosenet.questions import queryset
from whosenet.questions.queryset import QuerySet

POINTS = 100
MADE_FROM = 8_000
SAVED_EVERY = 25
"""Nets whose answers a kill may cost."""


def owner_images(store: TestStore) -> Images:
    """Test images of CIFAR-10 that measure no accuracy: the authors trained on the others, and a fingerprint wants
    images that the owner's model can get wrong."""
    test = store.images("cifar10")["test"]
    measured = np.linspace(0, len(test) - 1, EVALUATED).astype(np.int64)
    return test.take(np.setdiff1d(np.arange(len(test)), measured)[:MADE_FROM])


def fingerprint(store: TestStore, owner: str, method: str) -> QuerySet:
    """With the method's defaults; read if it is there."""
    path = _path(store, owner, method)
    if path.is_file():
        return queryset.load(path)
    began = time.process_time()
    references = [store.network(record) for record in choosers(store)]
    references += [network(name) for name in equals(owner, method)]
    made: QuerySet = registry.load("fingerprint", method.removesuffix(WITH_EQUALS))().make(
        network(owner), owner_images(store), references, points=POINTS, seed=0
    )
    seconds = round(time.process_time() - began, 1)
    made.save(path)
    path.with_suffix(".json").write_text(json.dumps({"seconds": seconds, "parameters": dict(made.parameters)}))
    print(f"{method} {owner}: {seconds} s", file=sys.stderr, flush=True)
    return made


def seconds(store: TestStore, owner: str, method: str) -> float:
    return float(json.loads(_path(store, owner, method).with_suffix(".json").read_text())["seconds"])


def ask_all(store: TestStore, methods: Sequence[str], owners: Sequence[str], people: Sequence[Someone]) -> None:
    """Whoever has not answered something answers it now, everything at once: to load a net takes longer than to ask."""
    questions = {(o, m): fingerprint(store, o, m) for m in methods for o in owners}
    held = {key: _read(_path(store, *key).with_suffix(".npz"), q.digest) for key, q in questions.items()}
    fresh = 0
    for one in people:
        keys = [key for key in questions if one.id not in held[key]]
        if keys:
            said = one.answer(np.concatenate([questions[key].images for key in keys]))
            ends = np.cumsum([len(questions[key]) for key in keys])[:-1]
            for key, part in zip(keys, np.split(said, ends), strict=True):
                held[key][one.id] = part
            fresh += 1
        if fresh == SAVED_EVERY or (fresh and one is people[-1]):
            fresh = 0
            for key, q in questions.items():
                _write(_path(store, *key).with_suffix(".npz"), q.digest, held[key])


def answers(store: TestStore, owner: str, method: str) -> dict[str, Matrix]:
    """id -> float32 [n, k], of all who were asked."""
    return _read(_path(store, owner, method).with_suffix(".npz"), fingerprint(store, owner, method).digest)


def _write(path: Path, digest: str, held: dict[str, Matrix]) -> None:
    part = path.with_suffix(".part.npz")
    np.savez(part, digest=digest, ids=np.array(list(held)), said=np.stack(list(held.values())))
    part.replace(path)


def _read(path: Path, digest: str) -> dict[str, Matrix]:
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as found:
        same = str(found["digest"]) == digest
        return dict(zip(found["ids"].tolist(), found["said"], strict=True)) if same else {}


def _path(store: TestStore, owner: str, method: str) -> Path:
    return cache_folder(store) / "asked" / method / f"{owner}.fingerprint"
