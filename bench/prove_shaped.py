"""Patterns with the spectrum of photographs against those of deep hiding: who sees them, and do networks learn them?

python bench/prove_shaped.py     # after python -m bench.prove_population.build; results/prove_shaped.{json,md}

They carry no identity: what a hiding pair trained to this spectrum could gain, and what it would cost.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.detect import scores
from bench.detect.nets import SHAPED, Subject
from bench.prove_population.build import ProveStore, key_for, mark_for, recipe_of
from bench.prove_report.measure import trigger_rate
from whosenet.marking.fit import fit, planned
from whosenet.marking.views import ask
from whosenet.networks.predict import accuracy
from whosenet.proving.questions import parted

LABELS, SEEDS = ("deephiding", SHAPED), (0, 1)


def main() -> None:
    torch.set_num_threads(1)
    subjects = [Subject(label, seed) for label in LABELS for seed in SEEDS]
    seen = {name: scores.by_images(subjects, name) for name in scores.LOOK_AT_IMAGES}
    rows = [[n, *(float(np.mean([found[f"{lb}/{s}"] for s in SEEDS])) for lb in LABELS)] for n, found in seen.items()]
    learnt = {SHAPED: _marked({"watermark": SHAPED})}
    known = ProveStore().records()
    text = "\n\n".join([
        "AUC of telling triggers at 34 dB from clean images, CIFAR-10, means of two keys:",
        record.table(["detector", *LABELS], rows),
        f"A ResNet (accuracy {known['cifar10.resnet.0.control']['accuracy']:.4f} without a mark) taught such patterns as `embed` does: "
        f"accuracy {learnt[SHAPED]['accuracy']:.4f}, {learnt[SHAPED]['rate']:.3f} of the triggers lead to their targets.",
    ])  # fmt: skip
    record.write("prove_shaped", {"detectors": seen, "learnt": learnt}, text, seed=0)


def _marked(method: dict[str, Any]) -> dict[str, float]:
    store = ProveStore()
    images, recipe = store.images("cifar10"), recipe_of({"lr": 0.05}, 0)
    key = key_for("cifar10", "resnet", 0, method)
    kept, _ = parted(images["owner"], key)
    module = store.load(store.records()["cifar10.resnet.0.unmarked"])
    said = ask(module, kept, planned(recipe, len(kept)))
    fit(module, kept, mark_for(key), images["owner"].classes, recipe, said=said)
    return {"accuracy": accuracy(module, images["test"]), "rate": trigger_rate(module, key, images["test"])}


if __name__ == "__main__":
    main()
