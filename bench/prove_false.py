"""False claims: 1,000 wrong keys against nets that were never marked with them, the weakest included; and a key ground by trial.

Every pair is judged as `verify` judges, with 200 questions. Are stated p-values as rare as stated? Is any claim made at 1e-6?
Killed at any time, it goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.prove_population.build import ProveStore
from bench.prove_population.keys import key_of
from bench.prove_report.measure import asked, judged
from bench.test_population.store import TestStore
from whosenet.networks.spec import digest_of

COVERS = 5000
"""Images that a claimant has; a fifth is held out."""
STATED = (0.1, 0.01, 0.001, 1e-4, 1e-6)
HONEST = ("cifar10.resnet.full.0", "cifar10.vgg.half-a.0", "cifar10.dense.sibling.0", "cifar10.resnet.sibling.1")
"""Of the TEST population: twins and siblings by other seeds, data and starts."""
WEAK = "unmarked+extract"
"""Copies as weak as an extracted one, of networks that were never marked."""
OTHERS = ("cifar10.resnet.0.marked", "cifar10.vgg.0.marked", "gtsrb.resnet.3.marked", "tiny.vgg.0.marked",
          "cifar10.resnet.0.marked+extract-label", "cifar10.resnet.0.marked+overwrite",
          "cifar10.resnet.0.marked+adversarial-training", "cifar10.resnet.0.marked.journeys", "cifar10.vgg.0.marked.journeys",
          "gtsrb.resnet.3.marked.journeys", "tiny.vgg.0.marked.journeys")  # fmt: skip
"""Marked, but with another key."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keys", type=int, default=1000)
    wanted = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    nets, store = suspects(), ProveStore()
    covers = {s: store.images(s)["owner"] for s in {n.image_set for n in nets}}
    covers = {s: images.take(np.arange(min(len(images), COVERS))) for s, images in covers.items()}
    state = {
        s: sha256(asked(key_of("stranger 0"), images, 200).images.tobytes()).hexdigest()[:16]
        for s, images in covers.items()
    }
    found = {net.name: Kept(store.root / "false" / state[net.image_set] / f"{net.digest}.npy") for net in nets}
    began = time.monotonic()
    for number in range(wanted.keys):
        for image_set in covers:
            left = [n for n in nets if n.image_set == image_set and number >= len(found[n.name].rows)]
            put = asked(key_of(f"stranger {number}"), covers[image_set], 200) if left else None
            for net in left:
                found[net.name].add(judged(net.module, put))
        if number % 50 == 49 or number + 1 == wanted.keys:
            for kept in found.values():
                kept.save()
            print(f"{number + 1} of {wanted.keys} keys, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    rows = {name: np.array(kept.rows[: wanted.keys]) for name, kept in found.items()}
    results = {"keys": wanted.keys, "nets": {name: _summary(of) for name, of in rows.items()},
               "together": _summary(np.concatenate(list(rows.values())))}  # fmt: skip
    record.write("prove_false", results, table(results), seed=0)


@dataclass(frozen=True)
class Net:
    name: str
    image_set: str
    digest: str
    module: Any


class Kept:
    """What a net said to the keys so far, one row [log10 p, by labels, by probabilities, hits] each, in a file beside the store: in a
    folder of the questions, under the net's digest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[list[float]] = np.load(self.path).tolist() if self.path.is_file() else []

    def add(self, said: Any) -> None:
        self.rows.append(
            [said.log10_p, said.labels_log10_p, said.probabilities_log10_p, said.hits / max(said.triggers, 1)]
        )

    def save(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part.npy")
        np.save(part, np.array(self.rows))
        part.replace(self.path)


def suspects() -> list[Net]:
    prove, test = ProveStore(), TestStore()
    wanted = [r for r in prove.records().values() if r["kind"] == "unmarked" or WEAK in r["id"] or r["id"] in OTHERS]
    missing = {*OTHERS} - {r["id"] for r in wanted}
    if missing:
        raise SystemExit(f"python -m bench.prove_population.build has not made {', '.join(sorted(missing))} yet")
    made = [Net(r["id"], r["image_set"], r["digest"], prove.load(r)) for r in sorted(wanted, key=lambda r: r["id"])]
    twins = [test.records()[i] for i in HONEST if i in test.records()]
    return made + [Net(f"test {r['id']}", "cifar10", digest_of(m), m) for r in twins for m in [test.load(r)]]


def _summary(rows: np.ndarray) -> dict[str, Any]:
    """Of p, which counts two looks, and of each look alone."""
    both, hits = rows[:, 0], rows[:, 3]
    return {"pairs": len(both), "least_log10_p": float(both.min()), "claims": int((both <= -6).sum()), "share": _shares(both),
            **{look: _shares(rows[:, place]) for look, place in (("labels", 1), ("probabilities", 2))},
            "mean_hits": float(np.mean(hits)), "most_hits": float(np.max(hits))}  # fmt: skip


def _shares(log10_p: np.ndarray) -> dict[str, float]:
    return {str(a): float((log10_p <= np.log10(a)).mean()) for a in STATED}


def table(results: dict[str, Any]) -> str:
    rows = [
        [
            name,
            s["pairs"],
            s["claims"],
            s["mean_hits"],
            s["most_hits"],
            s["least_log10_p"],
            *(s["share"][str(a)] / a for a in STATED[:4]),
            *(s[look]["0.01"] / 0.01 for look in ("labels", "probabilities")),
        ]
        for name, s in [*results["nets"].items(), ("all", results["together"])]
    ]
    columns = [
        "suspect",
        "keys",
        "claims at 1e-6",
        "hits, mean",
        "most",
        "least log10 p",
        *(f"p <= {a:g} occurs .. times as often as stated" for a in STATED[:4]),
        "by labels alone, p <= 0.01",
        "by probabilities alone",
    ]
    return "\n\n".join([
        f"{results['keys']} keys that no suspect was marked with, 200 questions each:",
        record.table(columns, rows),
        "The row's least p is also what a thief reaches who tries all these keys on that suspect and keeps the best: "
        "grinding buys the factor of the keys tried, and no more.",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
