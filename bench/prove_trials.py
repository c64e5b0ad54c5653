"""What decides how many triggers are learnt and how deep: trials on development networks, none of them reported elsewhere.

python -m bench.prove_population.build     # once, resumable
python bench/prove_trials.py               # results/prove_trials.{json,md}

Judged by images on which no reported accuracy or trigger rate rests: every third road sign of the test set; of the others the
thief's images for accuracies, and for triggers those of the owner's that the embedding held out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record as records
from bench.prove_population.build import ProveStore, key_for
from bench.prove_population.variants import TRIALS
from bench.prove_report.measure import trigger_rate, verified
from bench.test_population.store import Record
from whosenet.networks.images import Images
from whosenet.networks.predict import logits
from whosenet.proving.questions import parted

COLUMNS = [
    "image set",
    "recipe",
    "change to control, points",
    "error",
    "triggers",
    "after FTAL (log10 p)",
    "after RTAL (log10 p)",
]


def main() -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    store = ProveStore()
    rows = [row for owner in TRIALS for row in _of(store, *owner)]
    text = "\n\n".join([
        "One network each, marked as long as by default unless told; control: trained on in the same way without triggers. Development "
        "images. Default: a tenth of each batch, falling to a fifth of that (settled 0.2), temperature 3, weight 1, "
        "69 passes over road signs, 160 over Tiny-ImageNet-10.",
        records.table(COLUMNS, [_shown(row) for row in rows]),
    ])  # fmt: skip
    records.write("prove_trials", rows, text, seed=0)


def _of(store: ProveStore, image_set: str, arch: str, seed: int) -> list[dict[str, Any]]:
    known, images = store.records(), _images(store, image_set)
    name = f"{image_set}.{arch}.{seed}."
    if f"{name}control" not in known:
        return []
    control = _right(store, known[f"{name}control"], images)
    covers = images if image_set == "gtsrb" else None
    marked = [r for r in known.values() if r["id"].startswith(name) and r["kind"] == "marked"]
    return [_row(store, r, images, covers, control) for r in sorted(marked, key=lambda r: r["variant"] != "default")]


def _images(store: ProveStore, image_set: str) -> Images:
    parts = store.images(image_set)
    test = parts["test"]
    return test.take(np.arange(0, len(test), 3)) if image_set == "gtsrb" else parts["thief"]


def _right(store: ProveStore, record: Record, images: Images) -> np.ndarray:
    return np.asarray(logits(store.load(record), np.asarray(images.x)).argmax(1) == images.y)


def _row(
    store: ProveStore, record: Record, images: Images, covers: Images | None, control: np.ndarray
) -> dict[str, Any]:
    change = _right(store, record, images).astype(float) - control
    key = key_for(record["image_set"], record["architecture"], record["seed"], record["recipe"])
    covers = parted(store.images(record["image_set"])["owner"], key)[1] if covers is None else covers
    thefts = {a: store.records().get(f"{record['id']}+{a}") for a in ("ftal", "rtal")}
    return {
        "image_set": record["image_set"], "variant": record["variant"], "images": len(images),
        "difference": float(change.mean()), "se": float(change.std() / np.sqrt(len(change))),
        "rate": trigger_rate(store.load(record), key, covers), "covers": len(covers),
        **{a: _stolen(store, r, key, covers) for a, r in thefts.items() if r},
    }  # fmt: skip


def _stolen(store: ProveStore, record: Record, key: Any, covers: Images) -> dict[str, float]:
    module = store.load(record)
    owners = store.images(record["image_set"])["owner"]
    return {"rate": trigger_rate(module, key, covers), "log10_p": verified(module, key, owners).log10_p}


def _shown(row: dict[str, Any]) -> list[Any]:
    thefts = [f"{row[a]['rate']:.2f} ({row[a]['log10_p']:.1f})" if a in row else "" for a in ("ftal", "rtal")]
    return [row["image_set"], row["variant"], f"{100 * row['difference']:+.2f}", f"{100 * row['se']:.2f}",
            f"{row['rate']:.3f}", *thefts]  # fmt: skip


if __name__ == "__main__":
    main()
