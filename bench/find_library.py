"""The seed paper's experiment: thousands of nets, each query's relatives to be found among strangers.

    python bench/find_library.py dev     # the whole family of methods on the development split (the first 20 parents)
    python bench/find_library.py rest    # the default, the best rivals and the baselines on the other parents
    python bench/find_library.py all     # the same on every model

The population comes from `python -m bench.population.build` (real images, hours of training, stored once).
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from blake3 import blake3

import whosenet.hashes
from bench import find_metrics as metrics
from bench import record
from bench.population.index import Store, default_root
from whosenet.errors import UnreadableInput
from whosenet.hashes import chance
from whosenet.hashes.encode import encode
from whosenet.hashes.nts import NTS
from whosenet.hashes.statistics import STATISTICS
from whosenet.weights import open_weights

ALPHA = 1e-6
Config = dict[str, Any]


def family_of_methods() -> list[Config]:
    """Every member that is run on the development split."""
    members: list[Config] = [{"statistic": s, "importance": i} for s in STATISTICS for i in (1.0, 0.5)]
    members += [{"statistic": "mean", "importance": i} for i in (0.3, 0.7)]
    members += [{"statistic": s, "importance": i, "unit": "filter"} for s in ("mean", "kurtosis") for i in (0.5, 0.7)]
    members += [{"segments": s} for s in (512, 1024, 16384)]
    out = [{**m, "encoding": "projection", "bits": 256} for m in members]
    out += [{"encoding": "projection", "bits": b} for b in (64, 128, 512, 1024)]
    out += [{"statistic": s, "encoding": e} for s in ("mean", "k2", "kurtosis") for e in ("median", "neighbour")]
    return out


def best_few() -> list[Config]:
    """The default, a longer code, and the best of each other kind on the development split."""
    halves = [{"statistic": s, "importance": 0.5} for s in ("mean", "skewness", "kurtosis", "anderson_darling")]
    return [{}, {"bits": 512}, {"bits": 128}, *halves]


def codes(records: list[dict[str, Any]], configs: list[Config], split: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """uint8 codes [n, bits/8] and m_eff [n] by signature, from a cache where they were made before."""
    out: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    groups: dict[str, list[NTS]] = defaultdict(list)
    for config in configs:
        made = NTS(**config)
        groups[json.dumps({k: made.parameters[k] for k in ("statistic", "importance", "unit", "segments")})].append(
            made
        )
    for hashers in groups.values():
        cached = {h.signature: _cache(h.signature) for h in hashers}
        for i, r in enumerate(records):
            missing = [h for h in hashers if r["sha256"] not in cached[h.signature]]
            if missing:
                _hash(r, missing, cached)
            if i % 100 == 99:
                print(f"{split}: {hashers[0].signature} {i + 1}/{len(records)}", file=sys.stderr)
        for h in hashers:
            _save(h.signature, cached[h.signature])
            rows = [cached[h.signature][r["sha256"]] for r in records]
            out[h.signature] = (
                np.stack([np.frombuffer(bytes.fromhex(x[0]), np.uint8) for x in rows]),
                np.array([x[1] for x in rows]),
            )
    return out


def _hash(r: dict[str, Any], missing: list[NTS], cached: dict[str, dict[str, Any]]) -> None:
    with open_weights(r["path"]) as weights:
        features = missing[0].features(weights)
    for h in missing:
        try:
            m_eff = round(h.effective(features), 1)
            cached[h.signature][r["sha256"]] = [
                np.packbits(encode(features, h.parameters["encoding"], h.parameters["bits"])).tobytes().hex(),
                m_eff,
            ]
        except UnreadableInput as error:
            raise SystemExit(f"{r['id']}: {error}") from error


def _file(signature: str) -> Path:
    return default_root() / "codes" / _source_digest() / (signature.replace("/", "-") + ".json")


@cache
def _source_digest() -> str:
    """Of the hashing code itself: cached codes are never older than what made them."""
    package = Path(whosenet.hashes.__file__).parent
    return blake3(b"".join(p.read_bytes() for p in sorted(package.glob("*.py")))).hexdigest()[:16]


def _cache(signature: str) -> dict[str, Any]:
    path = _file(signature)
    return json.loads(path.read_text()) if path.exists() else {}


def _save(signature: str, cached: dict[str, Any]) -> None:
    path = _file(signature)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".tmp").write_text(json.dumps(cached))
    path.with_suffix(".tmp").replace(path)


def judge(code: np.ndarray, m_eff: np.ndarray, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Measures of one method."""
    family = numbered([r["parent"] or r["id"] for r in records])
    cell = numbered([f"{r['arch']}/{r['dataset']}" for r in records])
    distance, bits = metrics.hamming(code), 8 * code.shape[1]
    near, far = metrics.split_pairs(distance, family)
    limit = limits(bits, m_eff, ALPHA)
    accused, found = distance <= limit, distance <= limits(bits, m_eff, ALPHA / len(records))
    upper = np.triu(np.ones(distance.shape, bool), 1)
    same = family[:, None] == family[None, :]
    twins = upper & ~same & (cell[:, None] == cell[None, :])
    return {
        "bits": bits, "m_eff_median": float(np.median(m_eff)), "auc": metrics.auc(near, far),
        "auc_same_architecture_and_data": metrics.auc(near, distance[twins]),
        "map": metrics.mean_average_precision(distance, family),
        "missed_rate": float(1 - accused[upper & same].mean()), "false_matches": int(accused[upper & ~same].sum()),
        "false_match_family_pairs": len({tuple(sorted((family[i], family[j]))) for i, j in np.argwhere(accused & upper & ~same)}),
        "find_missed_rate": float(1 - found[upper & same].mean()), "find_accused": int(found[upper & ~same].sum()),
        "false_match_rate": float(accused[upper & ~same].mean()),
        "pairs_same_family": int((upper & same).sum()), "pairs_strangers": int((upper & ~same).sum()),
        "pairs_strangers_same_cell": int(twins.sum()),
        "stranger_distance_mean": float(far.mean() / bits), "stranger_distance_min": int(far.min()),
        "copy_distance_max": int(near.max()),
        "distances_same_family": np.bincount(near, minlength=bits + 1), "distances_strangers": np.bincount(far, minlength=bits + 1),
        "threshold": int(np.median(limit)), "missed_by_edit": by_edit(accused, records),
        "edits": edits(distance, records), "roc": metrics.roc(near, far, 60),
    }  # fmt: skip


def limits(bits: int, m_eff: np.ndarray, alpha: float) -> np.ndarray:
    """Largest distance with a stated p <= alpha for every pair, from the joint m_eff (rounded to 2 %)."""
    joint = np.sqrt(m_eff[:, None] * m_eff[None, :])
    steps = np.round(50 * np.log(np.maximum(joint, 2))).astype(int)
    table = {s: chance.threshold(bits, float(np.exp(s / 50)), np.log10(alpha)) for s in np.unique(steps)}
    return np.vectorize(table.get)(steps)


def by_edit(accused: np.ndarray, records: list[dict[str, Any]]) -> dict[str, float]:
    """Share of each edit's copies that are not found from their parent, at the stated alpha."""
    parent = {r["id"]: i for i, r in enumerate(records) if r["parent"] is None}
    missed: dict[str, list[bool]] = defaultdict(list)
    for i, r in enumerate(records):
        if r["parent"] in parent:
            missed[r["edit"]].append(not accused[i, parent[r["parent"]]])
    return {edit: float(np.mean(m)) for edit, m in missed.items()}


def edits(distance: np.ndarray, records: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Median and largest distance of each edit's copies from their parent: the list of light edits."""
    parent = {r["id"]: i for i, r in enumerate(records) if r["parent"] is None}
    found: dict[str, list[int]] = defaultdict(list)
    for i, r in enumerate(records):
        if r["parent"] in parent:
            found[r["edit"]].append(int(distance[i, parent[r["parent"]]]))
    return {e: {"copies": len(d), "median": int(np.median(d)), "max": max(d)} for e, d in sorted(found.items())}


def edit_table(r: dict[str, Any]) -> str:
    rows = ["| edit | copies | median distance | largest | missed at 1e-6 |", "|---|---|---|---|---|"]
    for edit, e in sorted(r["edits"].items(), key=lambda kv: kv[1]["median"]):
        rows.append(f"| {edit} | {e['copies']} | {e['median']} | {e['max']} | {r['missed_by_edit'][edit]:.2%} |")
    return "\n".join(rows) + "\n"


def plot(split: str, r: dict[str, Any], models: int) -> None:
    """Distances of relatives and of strangers, on a log scale, with the threshold of a 1e-6 pair."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 3.2))
    at = np.arange(r["bits"] + 1)
    axes.bar(at, r["distances_strangers"], width=1, color="#3b6fb5", label=f"strangers, {r['pairs_strangers']:,} pairs")
    axes.bar(
        at,
        r["distances_same_family"],
        width=1,
        color="#c23b3b",
        alpha=0.85,
        label=f"relatives, {r['pairs_same_family']:,} pairs",
    )
    axes.axvline(
        r["threshold"] + 0.5, color="black", lw=1, ls="--", label=f"p <= {ALPHA:g} a pair: {r['threshold']} bits"
    )
    axes.set(yscale="log", xlim=(-1, 170), xlabel=f"distance of two codes, of {r['bits']} bits", ylabel="pairs",
             title=f"{models:,} networks trained on real images, and their edited copies")  # fmt: skip
    axes.legend(fontsize=8, loc="upper center")
    figure.tight_layout()
    figure.savefig(record.RESULTS / f"find_library_{split}.svg")


def numbered(names: list[str]) -> np.ndarray:
    return np.unique(names, return_inverse=True)[1]


def main(split: str) -> None:
    records = list(Store().models(split=None if split == "all" else split))
    configs = family_of_methods() if split == "dev" else best_few()
    results: dict[str, Any] = {"split": split, "models": len(records), "alpha": ALPHA, "methods": {}}
    for signature, (code, m_eff) in codes(records, configs, split).items():
        results["methods"][signature] = judge(code, m_eff, records)
    if split != "dev":
        from bench.find_baselines import baselines

        results["baselines"] = baselines(records)
    record.write(f"find_library_{split}", results, table(results))
    if split == "all":
        record.write(
            "find_library_edits",
            results["methods"][NTS().signature]["edits"],
            edit_table(results["methods"][NTS().signature]),
        )
    plot(split, results["methods"][NTS().signature], len(records))


def table(results: dict[str, Any]) -> str:
    rows = [
        "| method | AUC | AUC, same architecture and data | mAP | missed, pair p <= 1e-6 | false matches, and families they join | missed by find (corrected) | accused by find | strangers' mean distance |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, r in sorted(results["methods"].items(), key=lambda kv: -kv[1]["auc"]):
        rows.append(
            f"| {name} | {r['auc']:.5f} | {r['auc_same_architecture_and_data']:.5f} | {r['map']:.4f} | {r['missed_rate']:.2%} | {r['false_matches']} of {r['pairs_strangers']}, {r['false_match_family_pairs']} | {r['find_missed_rate']:.2%} | {r['find_accused']} | {r['stranger_distance_mean']:.4f} |"
        )
    for name, r in results.get("baselines", {}).items():
        rows.append(
            f"| *{name}* | {r['auc']:.5f} | {r['auc_same_architecture_and_data']:.5f} | {r['map']:.4f} | | | | | |"
        )
    return f"{results['models']} models, split {results['split']}\n\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "all")
