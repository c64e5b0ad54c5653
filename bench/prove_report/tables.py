"""Tables for people."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from bench import record

Rows = list[dict[str, Any]]
LOG2 = 0.30103
STOLEN = (
    ("itself", ("none",)),
    ("FTAL", ("ftal",)),
    ("RTAL, once or three times", ("rtal", "rtal-2", "rtal-3")),
    ("FTAL x10", ("ftal-10x",)),
    ("overwriting", ("overwrite",)),
    ("adversarial training", ("adversarial-training",)),
    ("extraction", ("extract-probability",)),
    ("behind JPEG 75", ("input-jpeg",)),
    ("a median", ("input-median",)),
    ("shrinking", ("input-resize-pad",)),
)
"""Columns of the ablation and the rows they are made of."""


def marks(results: dict[str, Any]) -> str:
    both = results["together"]
    named = [*((_place(o), o) for o in results["owners"]), *both.items()]
    return "\n\n".join([
        "Networks marked as `embed` does by default: what it costs and whether the mark is there (test images). Control: the same network "
        "trained on the same way, the same pictures in the same order, without triggers; given: the network that was marked.",
        record.table(["image set", "net", "seed", "given", "control", "marked", "change to control, points", "lost / won", "of", "change to given", "trigger rate", "control's", "log10 p", "queries to 1e-6"], _owners(results["owners"])),
        "Change of accuracy in points, mean over seeds, with 95 % intervals (test images as the sample; seeds as the sample):",
        record.table(["nets", "compared with", "mean", "by images", "by seeds", "non-inferior within 0.3 (images / seeds)"],
                     [row for name, found in named for row in (_change(name, "control", found), _change(name, "given", found["given"]))]),
        "What survives: trigger rate (log10 p at 200 questions; at 28 dB), worst net first; verified at 1e-6 / nets at the key's strength by labels and probabilities (p doubled for the two), by labels alone, with 200 louder questions (p doubled for the second look), and by the key's own or the louder (p doubled for both); by 2,000 questions at the key's strength:",
        record.table(_survived(results["owners"]), survival(results["survival"], results["owners"])),
        *_travelled(results),
        *_development(results),
    ])  # fmt: skip


def _survived(owners: Rows) -> list[str]:
    return [
        "attack",
        "verified",
        "by labels alone",
        "asked at 28 dB",
        "by either",
        "by 2,000 questions",
        *map(_place, owners),
    ]


def _travelled(results: dict[str, Any]) -> list[str]:
    """Nets marked for a service that changes its images."""
    rows = results["travelled"]
    changes = ", ".join(
        f"{_place(r)} {100 * r['net']['control']['difference']:+.2f} (triggers {r['net']['rate']:.3f})"
        for r in rows
        if "net" in r
    )
    if not rows:
        return []
    return [f"The same for networks marked with `--journeys 0.5`, one of each. Change of accuracy to control, points: {changes}.",
            record.table(_survived(results["owners"]), survival(rows, results["owners"]))]  # fmt: skip


def _development(results: dict[str, Any]) -> list[str]:
    """Tables of what the population has of the ablation."""
    made = []
    if results["ablation"]:
        made += ["Ablation, development nets (CIFAR-10, resnet): trigger rate (log10 p), of the net itself and after theft. "
                 "All are marked for half as many epochs as by default:",
                 record.table(["variant", "accuracy", *(title for title, _ in STOLEN)], _ablation(results["ablation"]))]  # fmt: skip
    if results["curve"]:
        rows = [[f"{r['psnr']:g}", r["accuracy"], r["rate"], r["log10_p"]] for r in sorted(results["curve"], key=lambda r: r["psnr"])]  # fmt: skip
        made += ["Strength, development nets:", record.table(["asked dB", "accuracy", "trigger rate", "log10 p"], rows)]
    return made


def _place(owner: dict[str, Any]) -> str:
    return f"{owner['image_set']} {owner['architecture']}"


def _owners(owners: Rows) -> list[list[Any]]:
    return [
        [o["image_set"], o["architecture"], n["seed"], n["given_accuracy"], n["control_accuracy"], n["marked"],
         f"{100 * n['control']['difference']:+.2f}", f"{n['control']['lost']} / {n['control']['won']}", n["images"],
         f"{100 * n['given']['difference']:+.2f}", n["rate"], n["base"], n["log10_p"], n["queries"]]
        for o in owners for n in o["nets"]
    ]  # fmt: skip


def _change(name: str, to: str, found: dict[str, Any]) -> list[Any]:
    def interval(ends: list[float]) -> str:
        return f"{100 * ends[0]:+.2f} .. {100 * ends[1]:+.2f}"

    yes = " / ".join("yes" if found[k] else "no" for k in ("non_inferior", "non_inferior_seeds"))
    return [name, to, f"{100 * found['mean']:+.3f}", interval(found["images_95"]), interval(found["seeds_95"]), yes]


def survival(rows: Rows, owners: Rows) -> list[list[Any]]:
    by: dict[str, dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by[row["attack"]][f"{row['image_set']} {row['architecture']}"].append(row)
    made = []
    for attack, places in by.items():
        flat = [r for found in places.values() for r in found]
        ok, labels, loud = (
            sum(r[k] is not None and r[k] <= -6 for r in flat) for k in ("log10_p", "labels_log10_p", "loud_log10_p")
        )
        much = [r["at_length_log10_p"] <= -6 for r in flat if "at_length_log10_p" in r]
        either = sum(min(r["log10_p"] + LOG2, r["loud_log10_p"]) <= -6 for r in flat if r["log10_p"] is not None)
        made.append(
            [
                attack,
                f"{ok} / {len(flat)}",
                f"{labels}",
                f"{loud}",
                f"{either}",
                f"{sum(much)}" if much else "",
                *(_cell(places.get(_place(o), [])) for o in owners),
            ]
        )
    return made


def _cell(rows: Rows) -> str:
    return "; ".join(
        f"{r['rate']:.2f} ({r['log10_p']:.1f}; {r['loud_log10_p']:.1f})"
        for r in sorted(rows, key=lambda r: r["rate"])[:3]
    )


def _ablation(rows: Rows) -> list[list[Any]]:
    by: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    accuracy = {}
    for row in rows:
        by[row["variant"] if row["kind"] == "marked" else row["kind"], ""][row["attack"]] = row
        if row["attack"] == "none":
            accuracy[row["variant"] if row["kind"] == "marked" else row["kind"], ""] = row["accuracy"]
    return [
        [variant[0], accuracy.get(variant), *(_few([found[a] for a in which if a in found]) for _, which in STOLEN)]
        for variant, found in by.items()
    ]


def _few(rows: Rows) -> str:
    """One in full; of several the rates, and the best-hidden p."""
    if len(rows) < 2:
        return _one(rows[0] if rows else None)
    rates = ", ".join(f"{r['rate']:.2f}" for r in sorted(rows, key=lambda r: r["rate"]))
    known = [r["log10_p"] for r in rows if r["log10_p"] is not None]
    return rates + (f" ({max(known):.1f})" if known else "")


def _one(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return f"{row['rate']:.2f}" + (f" ({row['log10_p']:.1f})" if row["log10_p"] is not None else "")
