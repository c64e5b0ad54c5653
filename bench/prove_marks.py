"""PROVE's main experiment: what a mark costs, whether it is there, and what survives of it.

python -m bench.prove_population.build     # once, resumable: hours of one core
python bench/prove_marks.py                # results/prove_marks.{json,md}

`--full` tells of the ResNet-18 at full size (`build --full --device cuda`) alone: results/prove_marks_full.{json,md}.
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
from bench.prove_population.build import ProveStore, key_for
from bench.prove_population.variants import HIDING, PSNR, SANITISED
from bench.prove_report import tables
from bench.prove_report.measure import SANITISERS, Measured, reported, trigger_rate, unpacked
from bench.test_population.store import Record

OWN = f"cifar10.resnet.{plan.DEVELOPMENT}."
"""Nets of the ablation."""
MARGIN = 0.003
"""Non-inferiority: the loss is shown to be smaller than this."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the networks at full size, in a file of their own")
    full = parser.parse_args().full
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    store = ProveStore()
    owners = (plan.FULL,) if full else plan.OWNERS
    known = {i: r for i, r in store.records().items() if full == (r["id"].split(".")[1] == plan.FULL[1])}
    measured = Measured(store)
    results = {
        "owners": [_owner(known, measured, s, a) for s, a in owners if f"{s}.{a}.{plan.SEEDS[s][0]}.marked" in known],
        "survival": _survival(known, measured),
        "travelled": _travelled(known, measured),
        "ablation": _ablation(known, measured),
        "curve": _curve(known, measured),
    }
    results["together"] = _together(results["owners"])
    records.write("prove_marks_full" if full else "prove_marks", results, tables.marks(results), seed=0)


def _owner(known: dict[str, Record], measured: Measured, image_set: str, arch: str) -> dict[str, Any]:
    """Paired differences over the seeds that are there."""
    nets = []
    for seed in plan.SEEDS[image_set]:
        three = [known.get(f"{image_set}.{arch}.{seed}.{kind}") for kind in plan.KINDS]
        if all(three):
            nets.append(_net(measured, three, seed))
    return {
        "image_set": image_set,
        "architecture": arch,
        "nets": nets,
        **_paired(nets, "control"),
        "given": _paired(nets, "given"),
    }


def _net(measured: Measured, three: list[Any], seed: int) -> dict[str, Any]:
    """A marked net beside its control (trained on the same way without triggers) and the net that both began with."""
    images = measured.store.images(three[0]["image_set"])["test"]
    shown = reported(three[0]["image_set"], len(images))
    _, control, marked = found = [measured.of(m) for m in three]
    right = [unpacked(m["right"], len(images))[shown] for m in found]
    rates = [_rate(measured, m, three[2], images.take(np.flatnonzero(shown))) for m in three[1:]]
    return {
        "seed": seed, **{k: float(r.mean()) for k, r in zip(("given_accuracy", "control_accuracy", "marked"), right, strict=True)},
        "control": _apart(right[1], right[2]), "given": _apart(right[0], right[2]), "images": int(shown.sum()),
        "rate": rates[1], "base": rates[0], "log10_p": marked["log10_p"], "queries": marked["queries"],
        "control_log10_p": control["log10_p"], "seconds": [m["seconds"] for m in three],
    }  # fmt: skip


def _rate(measured: Measured, record: Record, marked: Record, images: Any) -> float:
    """Of a net against the key of the marked one."""
    key = key_for(marked["image_set"], marked["architecture"], marked["seed"], marked["recipe"])
    return trigger_rate(measured.store.load(record), key, images)


def _apart(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    change = after.astype(float) - before
    return {"difference": float(change.mean()), "se": float(change.std() / np.sqrt(len(change))),
            "lost": int((before & ~after).sum()), "won": int((after & ~before).sum())}  # fmt: skip


def _paired(nets: list[dict[str, Any]], to: str) -> dict[str, Any]:
    """Mean change of accuracy with two 95 % intervals: for these nets (test images are the sample), and for nets (seeds are)."""
    differences, errors = ([n[to][field] for n in nets] for field in ("difference", "se"))
    n, mean = len(differences), float(np.mean(differences))
    images = float(np.sqrt(np.sum(np.square(errors))) / n)
    seeds = float(np.std(differences, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    wide = float(stats.t.ppf(0.975, n - 1) * seeds) if n > 1 else float("nan")
    return {"mean": mean, "images_95": [mean - 1.96 * images, mean + 1.96 * images], "seeds_95": [mean - wide, mean + wide],
            "non_inferior": bool(mean - 1.96 * images > -MARGIN), "non_inferior_seeds": bool(n > 1 and mean - wide > -MARGIN)}  # fmt: skip


def _together(owners: list[dict[str, Any]]) -> dict[str, Any]:
    nets = [n for o in owners for n in o["nets"]]
    large = [n for o in owners if o["image_set"] != "tiny" for n in o["nets"]]
    cifar = [n for o in owners if o["image_set"] == "cifar10" for n in o["nets"]]
    parts = {"cifar10": cifar, "cifar10 and gtsrb": large, "all": nets}
    return {name: {**_paired(part, "control"), "given": _paired(part, "given")} for name, part in parts.items() if part}


def _survival(known: dict[str, Record], measured: Measured) -> list[dict[str, Any]]:
    rows = []
    for record in known.values():
        if (
            record["kind"] == "derived"
            and record["variant"] == "default"
            and record["seed"] in plan.SEEDS[record["image_set"]]
        ):
            marked = ".marked+" in record["id"]
            name = record["attack"] if marked else f"unmarked, {record['attack']}"
            rows.append({**_row(record, name, measured.of(record)), "at_length_log10_p": measured.at_length(record)})
        if (
            record["kind"] == "marked"
            and record["variant"] == "default"
            and record["seed"] == plan.SEEDS[record["image_set"]][0]
        ):
            rows += [_row(record, name, measured.of(record, name)) for name in SANITISERS]
    return rows


def _travelled(known: dict[str, Record], measured: Measured) -> list[dict[str, Any]]:
    """Owners' nets marked with `--journeys 0.5`: themselves, with the change of accuracy, behind HIDING, and stolen."""
    nets = [r for r in known.values() if r["variant"] == "journeys" and r["seed"] in plan.SEEDS[r["image_set"]]]
    rows = []
    for record in nets:
        if record["kind"] == "marked":
            three = [known[record["id"].replace("marked.journeys", kind)] for kind in ("unmarked", "control")]
            rows.append(
                {**_row(record, "none", measured.of(record)), "net": _net(measured, [*three, record], record["seed"])}
            )
            rows += [_row(record, name, measured.of(record, name)) for name in HIDING]
        else:
            much = {"at_length_log10_p": measured.at_length(record)}
            rows.append({**_row(record, record["attack"], measured.of(record)), **much})
    return rows


def _row(record: Record, attack: str, found: dict[str, Any]) -> dict[str, Any]:
    return {"attack": attack, "image_set": record["image_set"], "architecture": record["architecture"], "seed": record["seed"],
            **{k: found.get(k) for k in ("accuracy", "rate", "log10_p", "labels_log10_p", "verdict", "queries", "base_rate", "loud_hits", "loud_log10_p", "loud_labels_log10_p")}}  # fmt: skip


def _ablation(known: dict[str, Record], measured: Measured) -> list[dict[str, Any]]:
    """Development nets alone: on them the recipe was chosen. Some of them are looked at behind what hides the default's mark."""
    own = [r for r in known.values() if r["id"].startswith(OWN)]
    rows = [_variant(r, r["attack"] or "none", measured.of(r)) for r in own]
    behind = [r for r in own if r["kind"] == "marked" and r["variant"] in SANITISED]
    return rows + [_variant(r, name, measured.of(r, name)) for r in behind for name in HIDING]


def _variant(record: Record, attack: str, found: dict[str, Any]) -> dict[str, Any]:
    kind = record["id"].split(".")[3].partition("+")[0]
    return {"variant": record["variant"], "kind": kind, **_row(record, attack, found)}


def _curve(known: dict[str, Record], measured: Measured) -> list[dict[str, Any]]:
    found = [r for r in known.values() if r["kind"] == "marked" and r["seed"] == plan.DEVELOPMENT]
    return [{"psnr": r["recipe"].get("psnr", PSNR), **_row(r, "none", measured.of(r))} for r in found
            if r["variant"].startswith("psnr") or r["variant"] == "half-as-long"]  # fmt: skip


if __name__ == "__main__":
    main()
