"""What finds a mark: AUC of every detector, triggers against clean images and marked against unmarked nets, for deephiding
and for the baselines that anybody can see. `python -m bench.prove_detectors`; killed at any time, it goes on.

Writes results/prove_detectors.json and .md, and the picture results/prove_triggers.png.
"""

import argparse
from typing import Any

import numpy as np
import torch

from bench import record
from bench.detect import scores
from bench.detect.nets import EPOCHS, PATTERNS, POPULATION, SHAPED, Subject, which
from bench.detect.picture import draw
from bench.prove_population.variants import PSNR
from whosenet.detectors.base import auc

BASELINES = ("noise", "blend", "content", "adi")
OURS = "deephiding"
FAINT = ("deephiding-36", "deephiding-38", "deephiding-40")
SEEDS = (0, 1)
UNMARKED = (0, 1, 2)
MARKED = (0, 1, 2)
DEVELOPMENT = (9,)
"""The development net: patterns with the spectrum of photographs are on no other."""


def measured(kept: scores.Kept, seeds_of_baselines: tuple[int, ...], *, cleanse: bool) -> dict[str, Any]:
    """Label -> quantity -> numbers by seed."""
    labels = (OURS, *BASELINES, SHAPED, *FAINT)
    found: dict[str, Any] = {label: {"nets": []} for label in labels}
    for name in scores.LOOK_AT_IMAGES:
        said = kept.get(
            f"{name}/images", lambda n=name: scores.by_images([Subject(lb, s) for lb in labels for s in SEEDS], n)
        )
        for label in labels:
            found[label][name] = [said[f"{label}/{seed}"] for seed in SEEDS] if said else []
    for label, seeds in [(POPULATION, MARKED), (SHAPED, DEVELOPMENT), *((b, seeds_of_baselines) for b in BASELINES)]:
        into = found[OURS if label == POPULATION else label]
        subjects = [Subject(label, seed) for seed in seeds if scores.there(Subject(label, seed))]
        into["nets"] = [kept.get(f"net/{which(s)}", lambda s=s: scores.described(s)) for s in subjects]
        for name in scores.ASK_THE_MODEL:
            into[name] = [kept.get(f"{name}/{which(s)}", lambda s=s, n=name: scores.by_model(s, n)) for s in subjects]
        if cleanse:
            into["cleanse"] = [kept.get(f"cleanse/{which(s)}", lambda s=s: scores.by_cleanse(s)) for s in subjects]
    if cleanse:
        honest = [Subject("unmarked", seed) for seed in UNMARKED]
        found["unmarked"] = {
            "cleanse": [
                kept.get(f"cleanse/{which(s)}", lambda s=s: scores.by_cleanse(s)) for s in honest if scores.there(s)
            ]
        }
    for name in scores.CAN_BE_SHOWN:
        for label in labels:
            found[label][f"{name}, shown another key's"] = [
                kept.get(f"{name}-shown/{label}/0", lambda n=name, lb=label: scores.by_shown(Subject(lb, 0), n))
            ]
    return found


def table(found: dict[str, Any]) -> str:
    labels = (OURS, *BASELINES, SHAPED, *FAINT)
    shown = [f"{name}, shown another key's" for name in scores.CAN_BE_SHOWN]
    rows: list[list[Any]] = [
        [name, *(_mean(found[label].get(name)) for label in labels)]
        for name in (*scores.ASK_THE_MODEL, *scores.LOOK_AT_IMAGES, *shown)
    ]
    rows.append(["Neural Cleanse: AUC against unmarked nets", *(_against(found, label) for label in labels)])
    rows.append(["Neural Cleanse: anomaly indices", *(_listed(found[label].get("cleanse")) for label in labels)])
    for what in ("hits", "accuracy", "psnr", "ssim"):
        rows.append([f"its nets: {what}", *(_mean([n[what] for n in found[label]["nets"] if n]) for label in labels)])
    honest = _listed(found.get("unmarked", {}).get("cleanse"))
    return "\n".join([
        "AUC of telling triggers from clean images (0.5: blind, 1: sure, under 0.5: they look less suspicious than clean ones).",
        f"Means over {len(SEEDS)} keys (for those that ask the model: over the nets there are); {scores.TRIGGERS} triggers (fewer without covers of the target class), {scores.INNOCENT} innocent images, {scores.SEARCHERS} clean ones of the searcher's.",
        f"adi has {PATTERNS['adi']} images; ours asks the population's nets, marked at {PSNR:g} dB by `embed`'s defaults; baselines are taught to its unmarked nets in the same way in {EPOCHS} passes; spectrum-shaped patterns bear no identity.",
        "", record.table(["detector", *labels], rows), "", f"Neural Cleanse on unmarked nets: {honest or 'not run'} ({scores.CLEANSE['steps']} steps a class; the paper accuses above 2).",
    ])  # fmt: skip


def _mean(values: list[float | None] | None) -> float | None:
    known = _known(values)
    return float(np.mean(known)) if known else None


def _known(values: list[float | None] | None) -> list[float]:
    return [v for v in values or [] if v is not None]


def _against(found: dict[str, Any], label: str) -> float | None:
    marked, honest = (_known(found.get(kind, {}).get("cleanse")) for kind in (label, "unmarked"))
    return auc(np.array(marked), np.array(honest)) if marked and honest else None


def _listed(values: list[float | None] | None) -> str | None:
    return ", ".join(f"{v:.1f}" for v in _known(values)) or None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-cleanse", action="store_true", help="leave Neural Cleanse out (most of the time)")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="nets of each baseline")
    parser.add_argument("--known", action="store_true", help="measure nothing, write what is known")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = measured(scores.Kept(measure=not asked.known), SEEDS[: asked.seeds], cleanse=not asked.no_cleanse)
    record.write("prove_detectors", found, table(found), seed=0)
    draw(record.RESULTS / "prove_triggers.png")


if __name__ == "__main__":
    main()
