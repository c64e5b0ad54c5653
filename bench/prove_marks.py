"""PROVE's main experiment: what a mark costs, whether it is there, and what survives of it.

python -m bench.prove_population.build     # once, resumable: hours of one core
python bench/prove_marks.py                # results/prove_marks.{json,md}
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record as records
from bench.prove_population import plan
from bench.prove_population.build import ProveStore
from bench.prove_report import tables
from bench.prove_report.measure import SANITISERS, Measured, unpacked
from bench.test_population.store import Record

MARGIN = 0.003
"""Non-inferiority: the loss is shown to be smaller than this."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    store = ProveStore()
    measured, known = Measured(store), store.records()
    results = {
        "owners": [
            _owner(known, measured, s, a) for s, a in plan.OWNERS if f"{s}.{a}.{plan.SEEDS[s][0]}.marked" in known
        ],
        "survival": _survival(known, measured),
        "ablation": _ablation(known, measured),
        "curve": _curve(known, measured),
    }
    results["trained"] = _trained(known, measured)
    results["together"] = _together(results["owners"])
    records.write("prove_marks", results, tables.marks(results), seed=0)


def _owner(known: dict[str, Record], measured: Measured, image_set: str, arch: str) -> dict[str, Any]:
    """Paired differences over the seeds that are there."""
    nets = []
    for seed in plan.SEEDS[image_set]:
        pair = [known.get(f"{image_set}.{arch}.{seed}.{kind}") for kind in ("unmarked", "marked")]
        if all(pair):
            nets.append(_pair(measured, pair[0], pair[1], seed))
    return {
        "image_set": image_set,
        "architecture": arch,
        "nets": nets,
        **_paired([n["difference"] for n in nets], [n["se"] for n in nets]),
    }


def _pair(measured: Measured, unmarked: Record, marked: Record, seed: int) -> dict[str, Any]:
    count = len(measured.store.images(unmarked["image_set"])["test"])
    before, after = measured.of(unmarked), measured.of(marked)
    right = [unpacked(m["right"], count) for m in (before, after)]
    change = right[1].astype(float) - right[0]
    return {
        "seed": seed, "unmarked": before["accuracy"], "marked": after["accuracy"], "difference": float(change.mean()),
        "se": float(change.std() / np.sqrt(count)), "lost": int((right[0] & ~right[1]).sum()), "won": int((right[1] & ~right[0]).sum()),
        "images": count, "rate": after["rate"], "base": before["rate"], "log10_p": after["log10_p"], "queries": after["queries"],
        "unmarked_log10_p": before["log10_p"], "seconds": [unmarked["seconds"], marked["seconds"]],
    }  # fmt: skip


def _trained(known: dict[str, Record], measured: Measured) -> list[dict[str, Any]]:
    """What marking a trained network does to it; the network given is the unmarked one of the same seed."""
    rows = []
    for record in known.values():
        if record["kind"] == "marked" and record["variant"] == plan.TRAINED.replace(" ", "-"):
            given = known[f"{record['image_set']}.{record['architecture']}.{record['seed']}.unmarked"]
            rows.append(
                {
                    **_pair(measured, given, record, record["seed"]),
                    "image_set": record["image_set"],
                    "architecture": record["architecture"],
                }
            )
    return rows


def _paired(differences: list[float], errors: list[float]) -> dict[str, Any]:
    """Mean change of accuracy with two 95 % intervals: for these nets (test images are the sample), and for nets (seeds are)."""
    n, mean = len(differences), float(np.mean(differences))
    images = float(np.sqrt(np.sum(np.square(errors))) / n)
    seeds = float(np.std(differences, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    wide = float(stats.t.ppf(0.975, n - 1) * seeds) if n > 1 else float("nan")
    return {"mean": mean, "images_95": [mean - 1.96 * images, mean + 1.96 * images], "seeds_95": [mean - wide, mean + wide],
            "non_inferior": bool(mean - 1.96 * images > -MARGIN), "non_inferior_seeds": bool(n > 1 and mean - wide > -MARGIN)}  # fmt: skip


def _together(owners: list[dict[str, Any]]) -> dict[str, Any]:
    nets = [n for o in owners for n in o["nets"]]
    large = [n for o in owners if o["image_set"] != "tiny" for n in o["nets"]]
    return {"all": _paired([n["difference"] for n in nets], [n["se"] for n in nets]),
            "cifar10 and gtsrb": _paired([n["difference"] for n in large], [n["se"] for n in large]),
            "epoch_ratio": float(np.median([n["seconds"][1] / n["seconds"][0] for n in nets]))}  # fmt: skip


def _survival(known: dict[str, Record], measured: Measured) -> list[dict[str, Any]]:
    rows = []
    for record in known.values():
        if (
            record["kind"] == "derived"
            and record["variant"] == "default"
            and record["seed"] in plan.SEEDS[record["image_set"]]
        ):
            marked = ".marked+" in record["id"]
            rows.append(
                _row(record, record["attack"] if marked else f"unmarked, {record['attack']}", measured.of(record))
            )
        if (
            record["kind"] == "marked"
            and record["variant"] == "default"
            and record["seed"] == plan.SEEDS[record["image_set"]][0]
        ):
            rows += [_row(record, name, measured.of(record, name)) for name in SANITISERS]
    return rows


def _row(record: Record, attack: str, found: dict[str, Any]) -> dict[str, Any]:
    return {"attack": attack, "image_set": record["image_set"], "architecture": record["architecture"], "seed": record["seed"],
            **{k: found.get(k) for k in ("accuracy", "rate", "log10_p", "verdict", "queries", "base_rate", "loud_hits", "loud_log10_p")}}  # fmt: skip


def _ablation(known: dict[str, Record], measured: Measured) -> list[dict[str, Any]]:
    """Development nets alone: on them the recipe was chosen."""
    rows = []
    for record in known.values():
        if record["seed"] == plan.DEVELOPMENT and not record["variant"].startswith("psnr"):
            kind = "unmarked" if ".unmarked" in record["id"] else "marked"
            rows.append(
                {
                    "variant": record["variant"],
                    "kind": kind,
                    **_row(record, record["attack"] or "none", measured.of(record)),
                }
            )
    return rows


def _curve(known: dict[str, Record], measured: Measured) -> list[dict[str, Any]]:
    found = [r for r in known.values() if r["kind"] == "marked" and r["seed"] == plan.DEVELOPMENT]
    return [{"psnr": r["recipe"].get("psnr", plan.PSNR), **_row(r, "none", measured.of(r))} for r in found
            if r["variant"].startswith("psnr") or r["variant"] == "default"]  # fmt: skip


if __name__ == "__main__":
    main()
