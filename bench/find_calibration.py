"""Is the stated p-value true? A thousand honest twins of each of two architectures, every pair.

    python bench/find_calibration.py      # needs `python -m bench.population.build --only small large`

The rule for m_eff was chosen after a look at the small nets, before any at the large ones. Below the smallest observed rate the stated p is an extrapolation by its formula.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from bench import find_metrics as metrics
from bench import record
from bench.population import twins
from whosenet.hashes import chance
from whosenet.hashes.nts import NTS
from whosenet.verify.compare import compare
from whosenet.weights.base import Tensor, Weights

LEVELS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
COMPARED = 5_000
SEED = 7


def as_weights(arrays: dict[str, np.ndarray]) -> Weights:
    """A net in memory as the readers would give it."""
    return Weights(
        "memory", "memory", [Tensor(k, v.shape, "float32", lambda a, b, v=v: v[a:b]) for k, v in arrays.items()], 0
    )


def nets(kind: str) -> Iterator[Weights]:
    return (as_weights(w) for w in twins.load(kind))


def codes(kind: str) -> dict[str, Any]:
    """Every pair of twins by code: mean distance, and how often the stated p falls below each level."""
    made = [NTS().code(w) for w in nets(kind)]
    distance = metrics.hamming(np.stack([np.frombuffer(c.data, np.uint8) for c in made]))
    upper = np.triu_indices(len(made), 1)
    d, m = distance[upper], np.sqrt(np.outer(*[[c.m_eff for c in made]] * 2))[upper]
    log10_p = stated(d, m, made[0].bits)
    return {
        "nets": len(made), "pairs": len(d), "bits": made[0].bits, "m_eff": _spread([c.m_eff for c in made]),
        "distance_mean": float(d.mean() / made[0].bits), "distance_min": int(d.min()),
        "distance_std_over_coin": float(d.std() / math.sqrt(made[0].bits / 4)),
        "levels": [_level(log10_p, a) for a in LEVELS],
        "histogram": np.bincount(d, minlength=made[0].bits + 1),
        "expected": _expected(made[0].bits, float(np.median(m))),
        "smallest_stated_log10_p": float(log10_p.min()),
    }  # fmt: skip


def stated(d: np.ndarray, m: np.ndarray, bits: int) -> np.ndarray:
    """log10_p of every pair, as Code.log10_p gives it."""
    step = np.floor(chance.STEPS * np.log(np.maximum(m, 2.0))).astype(int)
    kinds, inverse = np.unique(np.stack([d, step]), axis=1, return_inverse=True)
    values = [chance.log10_p(int(k), bits, math.exp((s + 0.5) / chance.STEPS)) for k, s in kinds.T]
    return np.array(values)[inverse.ravel()]


def _level(log10_p: np.ndarray, level: float) -> dict[str, Any]:
    hits = int((log10_p <= math.log10(level)).sum())
    expected = level * len(log10_p)
    return {
        "level": level,
        "observed": hits / len(log10_p),
        "hits": hits,
        "expected_hits": expected,
        "ratio": hits / expected,
    }


def _expected(bits: int, m_eff: float) -> np.ndarray:
    """Probability of each distance by the formula."""
    below = np.array([0.0] + [10 ** chance.log10_p(k, bits, m_eff) for k in range(bits + 1)])
    return np.diff(below)


def _spread(values: list[float]) -> dict[str, float]:
    return {"min": min(values), "median": float(np.median(values)), "max": max(values)}


def in_place(kind: str) -> dict[str, Any]:
    """The p-value of `compare` on random pairs of twins."""
    rng = np.random.default_rng(SEED)
    held = list(nets(kind))
    pairs = {tuple(sorted(rng.choice(len(held), 2, replace=False))) for _ in range(COMPARED)}
    results = [compare(held[i], held[j]) for i, j in sorted(pairs)]
    log10_p = np.array([c.log10_p for c in results])
    z = np.array([c.cosine * math.sqrt(c.m_eff) for c in results])
    return {
        "pairs": len(results), "levels": [_level(log10_p, a) for a in LEVELS], "z_mean": float(z.mean()), "z_std": float(z.std()),
        "verdicts": {v: sum(c.verdict == v for c in results) for v in ("derived", "inconclusive", "independent")},
        "smallest_log10_p": float(log10_p.min()), "log10_p": np.sort(log10_p)[:200],
    }  # fmt: skip


def shared_start(kind: str) -> dict[str, Any]:
    """Same start, other batch order: related, and to be called no more than `shared-start`."""
    rows = []
    for a, b in twins.shared_start(kind):
        x, y = as_weights(a), as_weights(b)
        p, q, c = NTS().code(x), NTS().code(y), compare(x, y)
        rows.append((p - q, p.log10_p(q), c))
    return {
        "pairs": len(rows), "distance": _spread([float(r[0]) for r in rows]), "cosine": _spread([r[2].cosine for r in rows]),
        "compare_related": sum(r[2].verdict == "derived" for r in rows),
        "said_shared_start": sum("shared-start" in r[2].relation for r in rows),
        "said_fine_tune_alone": sum(r[2].relation == ["fine-tune"] for r in rows),
    }  # fmt: skip


def main() -> None:
    kinds = ("small", "large")
    results = {k: {"codes": codes(k), "compare": in_place(k), "shared_start": shared_start(k)} for k in kinds}
    record.write("find_calibration", results, table(results), seed=SEED)
    plot(results)


def table(results: dict[str, Any]) -> str:
    rows = [
        "| nets | pairs | mean distance | " + " | ".join(f"p <= {a:g}" for a in LEVELS[:5]) + " |",
        "|---" * 8 + "|",
    ]
    for kind, r in results.items():
        for what in ("codes", "compare"):
            cells = [f"{x['observed']:.2g} ({x['ratio']:.2f}x)" for x in r[what]["levels"][:5]]
            mean = (
                f"{r[what]['distance_mean']:.4f}"
                if what == "codes"
                else f"z {r[what]['z_mean']:.2f} +- {r[what]['z_std']:.2f}"
            )
            rows.append(f"| {kind}, {what} | {r[what]['pairs']} | {mean} | " + " | ".join(cells) + " |")
    shared = "; ".join(
        f"{k}: distance {r['shared_start']['distance']['min']:.0f} to {r['shared_start']['distance']['max']:.0f} of 256, "
        f"{r['shared_start']['said_shared_start']} of {r['shared_start']['pairs']} said to be shared-start, "
        f"{r['shared_start']['said_fine_tune_alone']} a fine-tune alone"
        for k, r in results.items()
    )
    return "\n".join(rows) + f"\n\nSame start, other batch order: {shared}.\n"


def plot(results: dict[str, Any]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    for kind, r in results.items():
        c = r["codes"]
        observed = np.cumsum(c["histogram"]) / c["pairs"]
        line = axes[0].semilogy(np.arange(len(observed)), observed, label=f"{kind}: observed, {c['pairs']:,} pairs")[0]
        axes[0].semilogy(
            np.arange(len(observed)), np.cumsum(c["expected"]), "--", color=line.get_color(), label=f"{kind}: stated"
        )
        levels = [x for x in c["levels"] if x["hits"]]
        axes[1].loglog([x["level"] for x in levels], [x["observed"] for x in levels], "o-", label=f"{kind}, codes")
        levels = [x for x in r["compare"]["levels"] if x["hits"]]
        axes[1].loglog([x["level"] for x in levels], [x["observed"] for x in levels], "s--", label=f"{kind}, compare")
    axes[0].set(xlim=(70, 140), ylim=(1e-8, 1), xlabel="distance (of 256 bits)", ylabel="share of strangers at most so near",
                title="Distances of honest twins")  # fmt: skip
    axes[1].plot([1e-6, 1], [1e-6, 1], color="grey", lw=0.8)
    axes[1].set(xlabel="stated p-value", ylabel="observed rate", title="Stated against observed")
    for a in axes:
        a.legend(fontsize=8)
        a.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(record.RESULTS / "find_calibration.svg")


if __name__ == "__main__":
    main()
