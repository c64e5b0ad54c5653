"""The invariant hash: is its stated p-value true on honest twins, and does it find rearranged and edited copies?

    python bench/invariant_calibration.py      # needs `python -m bench.population.build`

Development and report apart: features, thresholds and KAPPA were chosen on twins of even number and parents of even seed;
everything here is measured on those of odd number and odd seed. Rearranging acts tensor by tensor (each axis of units its
own order and factors), which is more than a network's own symmetries allow: the hash knows of no other tensor.
"""

from __future__ import annotations

import math
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from bench import find_metrics as metrics
from bench import record
from bench.find_calibration import LEVELS, as_weights, stated
from bench.population import twins
from bench.population.index import Store
from whosenet.hashes import chance
from whosenet.hashes.canonical import canonical
from whosenet.hashes.invariant import Invariant
from whosenet.hashes.nts import NTS

SEED = 11
Net = dict[str, np.ndarray]
EDITS = (
    "noise-5",
    "prune-50",
    "prune-global-50",
    "int8-channel",
    "int8-tensor",
    "int4-channel",
    "ftal-10x",
    "ftal-long",
)
AFTER = ("noise-5", "int8-channel", "int4-channel")


def units(array: np.ndarray) -> tuple[int, ...]:
    """The stored axes that hold units."""
    return tuple(int(a) for a in np.argsort([-d for d in array.shape], kind="stable")[:2])


def rearranged(
    net: Net, rng: np.random.Generator, *, permute: bool = True, range_: float = 2.0, rows: bool = False
) -> Net:
    """Every tensor of two and more axes with its units in another order, times log-uniform factors 1/range .. range."""
    out = {}
    for name, value in net.items():
        array = np.asarray(value, np.float64)
        if len(canonical(array.shape).shape) > 1:
            for a in units(array)[: 1 if rows else 2]:
                if permute:
                    array = np.take(array, rng.permutation(array.shape[a]), axis=a)
                factor = np.exp(rng.uniform(-1, 1, array.shape[a]) * math.log(range_))
                array = array * factor.reshape([-1 if k == a else 1 for k in range(array.ndim)])
        out[name] = array
    return out


def transposed(net: Net, rng: np.random.Generator) -> Net:
    names = rng.permutation(list(net))
    return {f"t{i}": net[n].transpose(rng.permutation(net[n].ndim)) for i, n in enumerate(names)}


REARRANGED: dict[str, Callable[[Net, np.random.Generator], Net]] = {
    "permute": lambda net, rng: rearranged(net, rng, range_=1.0),
    "rescale": lambda net, rng: rearranged(net, rng, permute=False, range_=4.0),
    "fold": lambda net, rng: rearranged(net, rng, permute=False, range_=4.0, rows=True),
    "transpose": transposed,
    "all": lambda net, rng: transposed(rearranged(net, rng, range_=4.0), rng),
}


def edited(net: Net, edit: str, rng: np.random.Generator) -> Net:
    """An edit after rearranging; the population holds those before it. Noise as the population's, of a tensor's std."""
    out = {}
    for name, w in net.items():
        if w.ndim < 2:
            out[name] = w
        elif edit == "noise-5":
            out[name] = w + rng.standard_normal(w.shape) * (0.05 * w.std())
        else:
            top = {"int8-channel": 127, "int4-channel": 7}[edit]
            scale = np.maximum(np.abs(w.reshape(len(w), -1)).max(axis=1) / top, 1e-12).reshape(-1, *[1] * (w.ndim - 1))
            out[name] = np.clip(np.round(w / scale), -top, top) * scale
    return out


def calibration(kind: str) -> dict[str, Any]:
    """Every pair of the report half of one kind of twins: each code alone, and the better of two, doubled."""
    nets = [as_weights(w) for i, w in enumerate(twins.load(kind)) if i % 2]
    out: dict[str, Any] = {"nets": len(nets)}
    log10_p = {}
    for name, method in (("nts", NTS()), ("invariant", Invariant())):
        codes = [method.code(w) for w in nets]
        distance = metrics.hamming(np.stack([np.frombuffer(c.data, np.uint8) for c in codes]))
        upper = np.triu_indices(len(codes), 1)
        d, m = distance[upper], np.sqrt(np.outer(*[[c.m_eff for c in codes]] * 2))[upper]
        log10_p[name] = stated(d, m, 256)
        excess = max(float(d.var()) - 64, 1e-3)
        out[name] = {"pairs": len(d), "m_eff": float(np.median(m)), "m_eff_observed": (256 / math.pi) ** 2 / excess,
                     "distance_mean": float(d.mean()), "distance_std": float(d.std()), "distance_min": int(d.min()),
                     "histogram": np.bincount(d, minlength=257), "levels": levels(log10_p[name]),
                     "expected": expected(float(np.median(m)))}  # fmt: skip
    both = np.minimum(log10_p["nts"], log10_p["invariant"]) + math.log10(2)
    out["both"] = {
        "pairs": len(both),
        "levels": levels(both),
        "correlation": float(np.corrcoef(*log10_p.values())[0, 1]),
    }
    return out


def levels(log10_p: np.ndarray) -> list[dict[str, float]]:
    rows = [(a, int((log10_p <= math.log10(a)).sum())) for a in LEVELS]
    return [{"level": a, "hits": h, "observed": h / len(log10_p), "ratio": h / (a * len(log10_p))} for a, h in rows]


def expected(m_eff: float) -> np.ndarray:
    return np.diff(np.array([0.0] + [10 ** chance.log10_p(k, 256, m_eff) for k in range(257)]))


def shared_start(kind: str) -> dict[str, float]:
    d = [Invariant().code(as_weights(a)) - Invariant().code(as_weights(b)) for a, b in twins.shared_start(kind)]
    return {"pairs": len(d), "min": min(d), "median": float(np.median(d)), "max": max(d)}


def recall() -> dict[str, Any]:
    """Distances of rearranged and edited copies, of parents of odd seed; and of strangers among these parents."""
    store, method, rng = Store(), Invariant(), np.random.default_rng(SEED)
    records = list(store.models("library"))
    parents = [r for r in records if not r["parent"] and r["seed"] % 2]
    copies: dict[str, dict[str, Any]] = defaultdict(dict)
    for r in records:
        if r["parent"]:
            copies[r["parent"]][r["edit"]] = r
    rows: dict[str, list[tuple[str, int, float]]] = defaultdict(list)
    codes = []
    for r in parents:
        net = store.load(r)
        code = method.code(as_weights(net))
        codes.append(code)

        def note(label: str, other: Net, code: Any = code, r: Any = r) -> None:
            found = method.code(as_weights(other))
            rows[label].append((f"{r['arch']}/{r['dataset']}", found - code, found.log10_p(code)))

        for name, change in REARRANGED.items():
            note(name, change(net, rng))
        for edit in EDITS:
            if edit in copies[r["id"]]:
                note(f"{edit}, then all", REARRANGED["all"](store.load(copies[r["id"]][edit]), rng))
        for edit in AFTER:
            for most in (1.0, 2.0, 4.0):
                note(f"permute, rescale {most:g}x, then {edit}", edited(rearranged(net, rng, range_=most), edit, rng))
    far = [(a - b, a.log10_p(b)) for i, a in enumerate(codes) for b in codes[:i]]
    found = {label: summary(rows[label], len(parents)) for label in rows}
    return {"parents": len(parents), "edits": found, "m_eff": {"min": min(c.m_eff for c in codes), "median": float(np.median([c.m_eff for c in codes]))},
            "strangers": {"pairs": len(far), "min": min(d for d, _ in far), "smallest_log10_p": min(p for _, p in far)}}  # fmt: skip


def summary(rows: list[tuple[str, int, float]], models: int) -> dict[str, Any]:
    d, p = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
    cells = sorted({r[0] for r in rows})
    searched = -6 - math.log10(2 * models)
    return {
        "copies": len(d), "mean": float(d.mean()), "p95": float(np.quantile(d, 0.95)), "max": int(d.max()),
        "recall_pair": float((p <= -6).mean()), "recall_search": float((p <= searched).mean()),
        "by_cell": {c: float(np.mean([r[2] <= searched for r in rows if r[0] == c])) for c in cells},
    }  # fmt: skip


def main() -> None:
    kinds = ("small", "large")
    results = {
        "twins": {k: calibration(k) for k in kinds},
        "shared_start": {k: shared_start(k) for k in kinds},
        "copies": recall(),
    }
    record.write("invariant_calibration", results, table(results), seed=SEED)
    plot(results["twins"])


def table(results: dict[str, Any]) -> str:
    rows = ["| twins, report half | pairs | mean distance | stated m_eff (observed) | " + " | ".join(f"p <= {a:g}" for a in LEVELS[:5]) + " |",
            "|---" * 9 + "|"]  # fmt: skip
    for kind, r in results["twins"].items():
        for what in ("nts", "invariant", "both"):
            x = r[what]
            cells = [f"{v['observed']:.2g} ({v['ratio']:.2f}x)" for v in x["levels"][:5]]
            about = (
                ("", "")
                if what == "both"
                else (f"{x['distance_mean']:.2f}", f"{x['m_eff']:.0f} ({x['m_eff_observed']:.0f})")
            )
            rows.append(f"| {kind}, {what} | {x['pairs']} | {about[0]} | {about[1]} | " + " | ".join(cells) + " |")
    c = results["copies"]
    rows += [
        "",
        f"| copy ({c['parents']} parents) | copies | mean distance | 95 % | largest | found at 1e-6 a pair | found in a search |",
        "|---" * 7 + "|",
    ]
    for label, x in c["edits"].items():
        rows.append(
            f"| {label} | {x['copies']} | {x['mean']:.1f} | {x['p95']:.0f} | {x['max']} | {x['recall_pair']:.1%} | {x['recall_search']:.1%} |"
        )
    s = c["strangers"]
    shared = "; ".join(f"{k}: {v['min']} to {v['max']}" for k, v in results["shared_start"].items())
    rows += ["", f"Found in a search: 1e-6 corrected for {c['parents']} models and two codes. Strangers among the parents: {s['pairs']} "
             f"pairs, nearest {s['min']} of 256, smallest stated p 1e{s['smallest_log10_p']:.1f}. Same start, other batch order: {shared}."]  # fmt: skip
    return "\n".join(rows) + "\n"


def plot(results: dict[str, Any]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4))
    for kind, r in results.items():
        x = r["invariant"]
        line = axes[0].semilogy(
            np.cumsum(x["histogram"]) / x["pairs"], label=f"{kind}: observed, {x['pairs']:,} pairs"
        )[0]
        axes[0].semilogy(np.cumsum(x["expected"]), "--", color=line.get_color(), label=f"{kind}: stated")
        for what, mark in (("invariant", "o-"), ("both", "s--")):
            hit = [v for v in r[what]["levels"] if v["hits"]]
            axes[1].loglog([v["level"] for v in hit], [v["observed"] for v in hit], mark, label=f"{kind}, {what}")
    axes[0].set(xlim=(70, 140), ylim=(1e-8, 1), xlabel="distance (of 256 bits)", ylabel="share of strangers at most so near",
                title="Invariant codes of honest twins")  # fmt: skip
    axes[1].plot([1e-6, 1], [1e-6, 1], color="grey", lw=0.8)
    axes[1].set(xlabel="stated p-value", ylabel="observed rate", title="Stated against observed")
    for a in axes:
        a.legend(fontsize=8)
        a.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(record.RESULTS / "invariant_calibration.svg")


if __name__ == "__main__":
    main()
