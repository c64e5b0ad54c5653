"""Is the p-value of re-ordered units true? Honest twins of two architectures, and of five more with every data set.

    python bench/verify_calibration.py      # needs `python -m bench.population.build`; goes on where it was stopped

Development looked at the first 300 small and 60 large twins; reported are pairs of the second half of each (505 nets), so
pairs share nets. Three numbers a pair: the evidence as `compare` counts it; the same with every tensor allowed to speak, alike
or not (`unfiltered`); and that with no allowance for honest agreement either (`bare`: exact if tensors of strangers
knew nothing of each other). An e-value: log10 p = -log10 evidence is at most nominal, never exact.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from bench import record
from bench.find_calibration import as_weights
from bench.population import twins
from bench.population.index import Store
from whosenet import thresholds
from whosenet.structure.agreement import Axis, agreements, log10_evidence
from whosenet.structure.rearranged import Model, rearranged
from whosenet.verify.align import speaking
from whosenet.verify.compare import compare

LEVELS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
PAIRS = {"small": 50_000, "large": 300}
HALF = 505
SEED = 11


def model(arrays: dict[str, np.ndarray]) -> Model:
    return Model(speaking(as_weights(arrays))[0], keep=True)


def evidence(axes: list[Axis], level: float, share: float) -> float:
    """log10 of the evidence with an allowance of our own."""
    kept = thresholds.HONEST_AGREEMENT, thresholds.HONEST_SHARE
    thresholds.HONEST_AGREEMENT, thresholds.HONEST_SHARE = level, share
    try:
        return sum(log10_evidence(axes))
    finally:
        thresholds.HONEST_AGREEMENT, thresholds.HONEST_SHARE = kept


def one(a: Model, b: Model) -> dict[str, Any]:
    found = rearranged(a, b)
    axes = [
        Axis(k, side, order)
        for k, m in enumerate(found.found)
        for side, order in enumerate((m.matching.rows, m.matching.columns))
        if len(order) > 1
    ]
    counts = [agreements(x, y)[0] for x, y in itertools.combinations(axes, 2) if x.comparable(y)]
    return {
        "product": found.log10_all, "unfiltered": -evidence(axes, thresholds.HONEST_AGREEMENT, thresholds.HONEST_SHARE),
        "bare": -evidence(axes, 1.0, 0.0), "agreements": sum(counts), "asked": len(counts),
        "similarity": max(m.matching.similarity for m in found.found), "counted": sum(m.counts for m in found.found),
    }  # fmt: skip


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {"pairs": len(rows)}
    for key in ("product", "unfiltered", "bare"):
        values = np.array([r[key] for r in rows])
        out[key] = {
            "levels": [{"level": a, "observed": float(np.mean(values <= math.log10(a)))} for a in LEVELS],
            "smallest_log10_p": min(0.0, float(values.min())), "lowest": np.sort(values)[:400],
        }  # fmt: skip
    asked = sum(r["asked"] for r in rows)
    out["agreements_an_axis_pair"] = sum(r["agreements"] for r in rows) / max(asked, 1)
    out["tensors_alike"] = sum(r["counted"] for r in rows)
    out["largest_similarity"] = max(r["similarity"] for r in rows)
    return out


def of_twins(kind: str) -> dict[str, Any]:
    held = [model(w) for w in itertools.islice(twins.load(kind), HALF, None)]
    rng = np.random.default_rng(SEED)
    every = list(itertools.combinations(range(len(held)), 2))
    chosen = rng.choice(len(every), min(PAIRS[kind], len(every)), replace=False)
    return summary([one(held[every[k][0]], held[every[k][1]]) for k in sorted(chosen)])


def of_library() -> dict[str, Any]:
    """Every pair of one architecture and data set, by architecture."""
    store = Store()
    groups: dict[tuple[str, str], list[Model]] = defaultdict(list)
    for r in store.models("library"):
        if r["parent"] is None:
            arrays = {k: v for k, v in Store.load(r).items() if v.dtype.kind == "f"}
            groups[r["arch"], r["dataset"]].append(model(arrays))
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (arch, _), models in groups.items():
        rows[arch] += [one(a, b) for a, b in itertools.combinations(models, 2)]
    return {arch: summary(found) for arch, found in rows.items()}


def shared_start(kind: str, count: int) -> dict[str, Any]:
    """Same start, other batch order, and then re-ordered and rescaled: what is said?"""
    from bench.verify_launder import launder

    answers = [
        compare(as_weights(a), as_weights(launder(b, kind, i)))
        for i, (a, b) in enumerate(itertools.islice(twins.shared_start(kind), count))
    ]
    return {
        "pairs": len(answers), "derived": sum(c.verdict == "derived" for c in answers),
        "said_shared_start": sum("shared-start" in c.relation for c in answers if c.verdict == "derived"),
    }  # fmt: skip


def main() -> None:
    before = record.RESULTS / "verify_calibration.json"
    results: dict[str, Any] = json.loads(before.read_text())["results"] if before.is_file() else {}
    for name, make in (
        ("small", lambda: of_twins("small")), ("library", of_library), ("shared_small", lambda: shared_start("small", 100)),
        ("shared_large", lambda: shared_start("large", 25)), ("large", lambda: of_twins("large")),
    ):  # fmt: skip
        if name in results:
            continue
        results[name] = make()
        print(name, {k: v for k, v in results[name].items() if not isinstance(v, dict)}, file=sys.stderr, flush=True)
        record.write("verify_calibration", results, table(results), seed=SEED)
    plot(results)


def rows_of(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    flat = {f"twins, {k}": results[k] for k in ("small", "large") if k in results}
    return flat | {f"library, {k}": v for k, v in sorted(results.get("library", {}).items())}


def table(results: dict[str, Any]) -> str:
    header = [
        "nets",
        "pairs",
        "evidence",
        *[f"p <= {a:g}" for a in LEVELS],
        "smallest p",
        "agreements where chance gives 1",
    ]
    rows = []
    for name, r in rows_of(results).items():
        for key in ("product", "unfiltered", "bare"):
            shares = [x["observed"] for x in r[key]["levels"]]
            smallest = f"{10 ** min(0, r[key]['smallest_log10_p']):.1e}"
            rows.append(
                [name, r["pairs"], key, *shares, smallest, r["agreements_an_axis_pair"] if key == "bare" else ""]
            )
    lines = [record.table(header, rows), ""]
    for kind in ("small", "large"):
        if f"shared_{kind}" in results:
            s = results[f"shared_{kind}"]
            lines.append(
                f"Same start, other batch order, then re-ordered and rescaled ({kind}): {s['derived']} of {s['pairs']} derived, "
                f"{s['said_shared_start']} of these said to be `shared-start`."
            )
    return "\n".join(lines)


def plot(results: dict[str, Any]) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6, 4.5))
    for name, r in rows_of(results).items():
        for key, style in (("bare", "-"), ("unfiltered", ":")):
            low = np.asarray(r[key]["lowest"])
            low = low[low < 0]
            if len(low) and name.startswith("twins"):
                axis.loglog(10.0**low, np.arange(1, len(low) + 1) / r["pairs"], style, label=f"{name}, {key}")
    axis.plot([1e-8, 1], [1e-8, 1], color="grey", lw=0.8)
    axis.set(xlabel="stated p-value", ylabel="observed rate", title="Re-ordered units: stated against observed")
    axis.legend(fontsize=8)
    axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(record.RESULTS / "verify_calibration.svg")


if __name__ == "__main__":
    main()
