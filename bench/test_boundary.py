"""The seed's claim: a prediction's confidence grows with its distance from the decision boundary, and core points lie far.

    python bench/test_boundary.py              # results/test_boundary.{json,md,svg}

Clean test images, and points of the plain method and of ours, of every development owner: the distance to the boundary
(an upper bound by DeepFool and along the gradient, `bench/points/distance.py`) against confidence and margin.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from scipy import stats

from bench import record
from bench.points import distance
from bench.points.cast import OWNERS, cast
from bench.points.family import PLAIN
from bench.test_population.store import TestStore
from whosenet.fingerprints.deepcore import DeepCore
from whosenet.networks.predict import logits, softmax

KINDS = ("clean", "plain confidence", "plain margin", "deepcore")
SETTINGS = {
    "plain confidence": {**PLAIN, "objective": "confidence", "target": "own"},
    "plain margin": {**PLAIN, "target": "own"},
    "deepcore": {},
}
Row = dict[str, object]


def measured(module: torch.nn.Module, x: np.ndarray) -> dict[str, np.ndarray]:
    """Confidence (0..1), margin of the logits, and L2 distance to the boundary of uint8 images [n, h, w, c]."""
    said = logits(module, x)
    top = np.sort(said, 1)
    return {
        "confidence": softmax(said).max(1),
        "margin": top[:, -1] - top[:, -2],
        "distance": distance.to_boundary(module, x),
    }


def related(found: dict[str, np.ndarray]) -> Row:
    """Spearman's rho of confidence and of margin with the distance, and the medians."""
    kept = np.isfinite(found["distance"])
    rho = {n: float(stats.spearmanr(found[n][kept], found["distance"][kept])[0]) for n in ("confidence", "margin")}
    medians = {f"median {n}": float(np.median(v)) for n, v in found.items()}
    return {
        "images": len(kept),
        "not crossed": int((~kept).sum()),
        **{f"rho {n}": r for n, r in rho.items()},
        **medians,
    }


def of_owner(store: TestStore, name: str, count: int) -> dict[str, dict[str, np.ndarray]]:
    played = cast(store, name)
    module = played.owner.module
    found = {"clean": measured(module, store.images("cifar10")["test"].x[:count])}
    for kind, settings in SETTINGS.items():
        ours = kind == "deepcore"
        made = DeepCore(**settings).make(
            played.owner, played.images, played.references if ours else (), positives=played.shadows if ours else (),
        )  # fmt: skip
        found[kind] = measured(module, made.images[~made.control])
    return found


def plot(found: dict[str, dict[str, dict[str, np.ndarray]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "whosenet"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True)
    for kind in KINDS:
        whole = {n: np.concatenate([f[kind][n] for f in found.values()]) for n in ("confidence", "margin", "distance")}
        doubt = -np.log10(np.clip(1 - whole["confidence"].astype(np.float64), 1e-8, 1))
        for axis, values in zip(axes, (doubt, whole["margin"]), strict=True):
            axis.scatter(values, whole["distance"], s=6, alpha=0.5, label=kind, rasterized=False)
    axes[0].set(xlabel="-log10(1 - confidence)", ylabel="L2 distance to the boundary", yscale="log")
    axes[1].set(xlabel="margin of the logits")
    axes[1].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=300, help="clean images an owner")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    store = TestStore()
    found = {name: of_owner(store, name, asked.images) for name in OWNERS}
    rows = [{"owner": name, "kind": kind, **related(f[kind])} for name, f in found.items() for kind in KINDS]
    header = list(rows[0])
    record.write("test_boundary", rows, record.table(header, [list(r.values()) for r in rows]), seed=0)
    plot(found, record.RESULTS / "test_boundary.svg")
    print(record.table(header, [list(r.values()) for r in rows]))


if __name__ == "__main__":
    main()
