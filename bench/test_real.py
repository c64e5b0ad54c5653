"""Networks by other authors as owners and suspects: are their copies told from each other and from nets trained here?

python -m bench.real_nets.copies [OWNER ...]    # once: their attacked copies
python bench/test_real.py [--owners OWNER ...] [--methods deepcore akh null] [--draws 5]

Published CIFAR-10 classifiers take turns as owner, all five are suspects. Derived: their exports and quantised files as published, run by
Keras or LiteRT; attacks; services that change images on the way.
Strangers: the other published nets with all that was made of them, and the honest and attacked nets of
bench/test_population. Points are chosen by twelve honest nets of ours, which play no other part; the null is 16 others,
drawn anew for every draw. No author published ten trainings of one network, so no net of an owner's architecture or
recipe is among either, and the tool accuses nobody by such references: what it would have said without looking at
them is reported as `withheld`. "equals choose" adds two published networks to those that choose the points.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import torch
from scipy import stats

from bench import record
from bench.real_nets import asked, tables, trials
from bench.real_nets.convert import NETS, OWNERS, network
from bench.real_nets.nets import Pixels
from bench.real_nets.suspects import WITH_EQUALS, Someone, everybody, taken
from bench.real_nets.tables import QUERIES
from bench.real_nets.trials import Trial
from bench.test_population.store import TestStore
from whosenet import registry
from whosenet.networks.images import Images
from whosenet.networks.predict import accuracy
from whosenet.questions.answers import Kind

METHODS = ("deepcore", f"deepcore{WITH_EQUALS}", "akh", "null", "ipguard", "sac", "metafinger")
WORTH = 0.75
"""A copy that keeps less than this share of its owner's accuracy is no loss to the owner; told apart in the tables."""
NEAREST = 10
PREPROCESSING = {
    "0..1": Pixels(),
    "0..255": Pixels(spread=(1 / 255,) * 3),
    "-1..1": Pixels((0.5,) * 3, (0.5,) * 3),
    "ImageNet": Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    known_methods = [m for m in METHODS if m.removesuffix(WITH_EQUALS) in registry.names("fingerprint")]
    parser.add_argument("--methods", nargs="+", default=known_methods)
    parser.add_argument("--owners", nargs="+", choices=OWNERS, default=list(OWNERS))
    parser.add_argument("--draws", type=int, default=5)
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    store = TestStore()
    people = everybody(store)
    asked.ask_all(store, wanted.methods, wanted.owners, people)
    known = published(store)
    results = {
        "published": known, "suspects": dict(Counter(p.group for p in people)),
        "origins": len({p.origin for p in people}), "draws": wanted.draws, "references": trials.REFERENCES,
        "owners": wanted.owners,
        "methods": {m: method(store, m, wanted.owners, people, wanted.draws, known) for m in wanted.methods},
    }  # fmt: skip
    record.write("test_real", results, tables.table(results), seed=0)


def published(store: TestStore) -> dict[str, Any]:
    """Accuracy on all test images with the author's preprocessing inside; with every other on 500, as a proof. Kept in
    the cache beside the weights."""
    kept = store.cache / "real" / "accuracies.json"
    if kept.is_file():
        return json.loads(kept.read_text())
    test = store.images("cifar10")["test"]
    some = test.take(np.arange(0, len(test), 20))
    found = {
        name: {"accuracy": accuracy(network(name).module, test), "by_preprocessing": _fed(name, some)} for name in NETS
    }
    kept.write_text(json.dumps(found))
    return found


def _fed(name: str, images: Images) -> dict[str, float]:
    """The folded exports hold the 255 in their weights, so what they get is divided by it first."""
    module = network(name).module
    inside, found = module.pixels, {}
    for how, pixels in PREPROCESSING.items():
        scale = 255 if NETS[name].factory.endswith("folded") else 1
        module.pixels = torch.nn.Sequential(pixels, Pixels(spread=(scale,) * 3))
        found[how] = accuracy(module, images)
    module.pixels = inside
    return found


def method(
    store: TestStore, name: str, owners: list[str], people: list[Someone], draws: int, known: dict[str, Any]
) -> dict[str, Any]:
    """Everything about one fingerprint method, all owners in turn."""
    shares: list[dict[str, Any]] = []
    judged: list[Trial] = []
    for owner in (p for p in people if p.id in owners):
        questions, said = asked.fingerprint(store, owner.id, name), asked.answers(store, owner.id, name)
        shares += [
            {"owner": owner.id, "id": p.id, "group": p.group, "derived": p.origin == owner.origin,
             "accuracy": p.accuracy, "worth": _worth(p, known[owner.id]["accuracy"]),
             "agreement": {q: trials.agreement(questions, said[p.id], q) for q in QUERIES}}
            for p in people if p.id != owner.id and p.origin not in taken(owner.id, name)
        ]  # fmt: skip
        kind = Kind(trials.architecture(owner.id), known[owner.id]["accuracy"])
        for draw in range(draws):
            judged += trials.trials(questions, owner, people, said, draw=draw, chose=taken(owner.id, name), kind=kind)
    return {
        "seconds": {o: asked.seconds(store, o, name) for o in owners},
        "auc": {q: _auc(shares, q) for q in QUERIES},
        "auc_worth": {q: _auc([s for s in shares if s["worth"] or not s["derived"]], q) for q in QUERIES},
        "auc_by_owner": {o: _auc([s for s in shares if s["owner"] == o], QUERIES[-1]) for o in owners},
        "auc_by_group": _by_group(shares), "agreement_by_group": _ranges(shares),
        **_verdicts(judged, {s["id"] for s in shares if s["derived"] and not s["worth"]}),
        "copies": [s for s in shares if s["derived"]], "nearest": _nearest(shares, owners),
    }  # fmt: skip


def _nearest(shares: list[dict[str, Any]], owners: list[str]) -> dict[str, list[tuple[str, float]]]:
    """Per owner the NEAREST strangers that agree most at all questions."""
    ranked = sorted((s for s in shares if not s["derived"]), key=lambda s: (-s["agreement"][QUERIES[-1]], s["id"]))
    return {o: [(s["id"], s["agreement"][QUERIES[-1]]) for s in ranked if s["owner"] == o][:NEAREST] for o in owners}


def _worth(one: Someone, owner_accuracy: float) -> bool:
    return one.accuracy is None or one.accuracy >= WORTH * owner_accuracy


def _auc(shares: Iterable[dict[str, Any]], queries: int) -> float:
    sides: dict[bool, list[float]] = {True: [], False: []}
    for s in shares:
        sides[s["derived"]].append(s["agreement"][queries])
    return trials.auc(sides[True], sides[False])


def _by_group(shares: list[dict[str, Any]]) -> dict[str, dict[int, float]]:
    """Each kind of derived net against all strangers."""
    groups = dict.fromkeys(s["group"] for s in shares if s["derived"])
    return {
        g: {q: _auc([s for s in shares if not s["derived"] or s["group"] == g], q) for q in QUERIES} for g in groups
    }


def _ranges(shares: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Least, median and largest agreement at all questions, by kind and group."""
    found = defaultdict(list)
    for s in shares:
        found[f"{'derived' if s['derived'] else 'stranger'}: {s['group']}"].append(s["agreement"][QUERIES[-1]])
    return {k: [min(v), float(np.median(v)), max(v)] for k, v in sorted(found.items())}


def _verdicts(judged: list[Trial], worthless: set[str]) -> dict[str, Any]:
    strangers = [t for t in judged if not t.derived]
    derived = [t for t in judged if t.derived]
    worth = [t for t in derived if t.suspect not in worthless]
    accused = [t for t in strangers if t.verdict == "derived"]
    models = len({t.suspect for t in strangers})
    return {
        "found": {"trials": len(derived), **Counter(t.verdict for t in derived)},
        "withheld": sum(t.withheld for t in derived),
        "found_worth": {"trials": len(worth), **Counter(t.verdict for t in worth)}, "worthless": sorted(worthless),
        "derived_by_group": _counts(derived), "strangers_by_group": _counts(strangers),
        "strangers": {
            "trials": len(strangers), "models": models, "origins": len({t.origin for t in strangers}),
            **Counter(t.verdict for t in strangers), "accused": len(accused),
            "withheld": sum(t.withheld for t in strangers),
            "accused_models": len({t.suspect for t in accused}),
            "accused_bound_95": _upper(len({t.suspect for t in accused}), models),
            "by_owner_and_origin": _origins(strangers), "least_log10_p": min(t.log10_p for t in strangers),
            "p_at_most": {str(p): float(np.mean([t.log10_p <= np.log10(p) for t in strangers])) for p in (0.1, 0.01, 0.001)},
        },
        "accused": [asdict(t) for t in accused], "cleared_copies": [asdict(t) for t in derived if t.verdict == "independent"],
        "unproven_copies": dict(Counter(t.suspect + ": " + t.reason.split(";")[0][:60] for t in derived if t.verdict == "inconclusive")),
    }  # fmt: skip


def _origins(strangers: list[Trial]) -> dict[str, dict[str, Any]]:
    """By owner and by the training a stranger goes back to, all of ours as one."""
    known = {net.origin for net in NETS.values()}
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for t in strangers:
        said = "withheld" if t.withheld else t.verdict
        found[f"{t.owner}: {t.origin if t.origin in known else 'ours'}"].update(["trials", said])
    return {key: dict(counts) for key, counts in sorted(found.items())}


def _upper(hits: int, models: int) -> float:
    """Upper 95 % bound (Clopper-Pearson) on the share of models that are accused, a model counted once."""
    return float(stats.beta.ppf(0.95, hits + 1, models - hits)) if hits < models else 1.0


def _counts(judged: list[Trial]) -> dict[str, dict[str, int]]:
    """By group, the verdicts; of those that are inconclusive, which were withheld."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for t in judged:
        found[t.group].update([t.verdict, *(["withheld"] if t.withheld else [])])
    return {group: dict(counts) for group, counts in found.items()}


if __name__ == "__main__":
    main()
