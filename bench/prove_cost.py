"""What embedding costs: processor time of a marking epoch against a plain one, alternating in one run, by image set.

The unmarked network is asked once; the time is spread over the recipe's epochs.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.prove_population import plan
from bench.prove_population.build import key_for, mark_for, recipe_of
from bench.test_population import data, nets
from whosenet.marking.control import control
from whosenet.marking.fit import fit, planned
from whosenet.marking.views import ask

IMAGES, EPOCHS, TIMES = 4000, 2, 7


def main() -> None:
    torch.set_num_threads(1)
    results = {f"{image_set} {arch}": _ratios(image_set, arch) for image_set, arch in plan.OWNERS}
    record.write("prove_cost", results, table(results), seed=0)


def _ratios(image_set: str, arch: str) -> dict[str, Any]:
    images = data.splits(image_set)["owner"].take(np.arange(min(IMAGES, data.OWNER[image_set])))
    given = {"lr": 0.05, **plan.MARKING[image_set]}
    key = key_for(image_set, arch, 0, given)
    whole = recipe_of(given, 0).for_images(round(0.8 * data.OWNER[image_set]))
    recipe = recipe_of({**given, "epochs": EPOCHS, "settled": whole.settled}, 0)
    views = planned(whole, round(0.8 * data.OWNER[image_set]))
    mark, found = mark_for(key), []
    said = torch.zeros(planned(recipe, len(images)).count, len(images), images.classes, dtype=torch.float16)
    for _ in range(TIMES):
        plain = _timed(lambda: control(_net(image_set, arch), images, recipe))
        marking = _timed(lambda: fit(_net(image_set, arch), images, mark, images.classes, recipe, said=said))
        asking = _timed(lambda: ask(_net(image_set, arch), images, views))
        found.append((marking / plain, asking / (plain / EPOCHS) / whole.epochs))
    ratios, soft = np.array(found).T
    return {"ratio": float(np.median(ratios + soft)), "marking": float(np.median(ratios)), "asking": float(np.median(soft)),
            "least": float((ratios + soft).min()), "most": float((ratios + soft).max())}  # fmt: skip


def _net(image_set: str, arch: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return nets.build(arch, image_set, data.CLASSES[image_set]).to(memory_format=torch.channels_last)


def _timed(work: Any) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def table(results: dict[str, Any]) -> str:
    rows = [
        [n, r["ratio"], r["marking"], r["asking"], f"{r['least']:.2f} .. {r['most']:.2f}"] for n, r in results.items()
    ]
    return "\n\n".join([
        f"Processor time against plain training (one thread, {IMAGES} images, {EPOCHS} epochs, median of {TIMES} pairs):",
        record.table(["nets", "together", "a marking epoch", "asking the unmarked network, spread over the epochs", "range"], rows),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
