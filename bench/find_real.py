"""Real weight files by many authors: every pair whose relation is known, looked up by `find` and tested by `compare`.

python bench/find_real.py [FOLDER_WITH_manifest.json]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np

from bench import record
from whosenet.errors import WhosenetError
from whosenet.find import ScanLibrary, add, compare, find, hash_file, open_weights

ALPHA = 1e-6


def main(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {f["id"]: folder / f["path"] for f in manifest["files"]}
    codes, refused = {}, {}
    for name, path in files.items():
        try:
            codes[name] = hash_file(path).codes[0]
        except WhosenetError as error:
            refused[name] = str(error)
    pairs = [judge(p, files, codes) for p in manifest["pairs"]]
    results = {
        "files": len(files), "hashed": len(codes), "refused": refused, "alpha_pair": ALPHA,
        "by_relation": by_relation(pairs), "library": through_library(files, pairs),
        "in_place_z": in_place(pairs), "misses": [p for p in pairs if p["label"] == "derived" and not (p["find"] and p["compare"])],
        "accused": [p for p in pairs if p["label"] == "independent" and (p["find"] or p["compare"])], "pairs": pairs,
    }  # fmt: skip
    record.write("find_real", results, table(results))


def judge(pair: dict[str, str], files: dict[str, Path], codes: dict[str, Any]) -> dict[str, Any]:
    """One pair: is it found by its codes (pair p <= ALPHA), is it `derived` by comparison; what the numbers were."""
    a, b = codes.get(pair["a"]), codes.get(pair["b"])
    with open_weights(files[pair["a"]]) as left, open_weights(files[pair["b"]]) as right:
        c = compare(left, right, alpha=ALPHA)
    log10_p = a.log10_p(b) if a and b else 0.0
    return {
        **{k: pair[k] for k in ("a", "b", "label", "relation")},
        "distance": a - b if a and b else None, "find_log10_p": log10_p, "find": log10_p <= np.log10(ALPHA),
        "compare": c.verdict == "derived", "compare_verdict": c.verdict, "compare_log10_p": c.log10_p, "cosine": c.cosine,
        "m_eff": c.m_eff, "said": c.relation, "coverage": c.coverage, "reason": c.reason,
    }  # fmt: skip


def by_relation(pairs: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for p in pairs:
        row = out[f"{p['label']}: {p['relation']}"]
        row["pairs"] += 1
        row["find"] += p["find"]
        row["compare"] += p["compare"]
        row[f"compare_{p['compare_verdict']}"] += 1
    return {k: dict(v) for k, v in sorted(out.items())}


def through_library(files: dict[str, Path], pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """All files in one library; each file of a derived pair as suspect: is its relative listed `derived` after the
    correction for the library's size? And is any file named `derived` that no chain of derived pairs leads to?"""
    related = _components([(p["a"], p["b"]) for p in pairs if p["label"] == "derived"])
    names = {str(path.resolve()): name for name, path in files.items()}
    asked = hits = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        add(f"{folder}/library", [str(p.resolve()) for p in files.values()], jobs=1)
        with ScanLibrary(f"{folder}/library") as lib:
            by_name = {e.name: names[e.path] for e in lib.entries()}
            reports = {n: find([p.resolve()], lib, top=10)[0] for n, p in files.items()}
    listed = {
        n: {by_name[x] for m in r.matches if m.verdict == "derived" for x in (m.name, *(r.name for r in m.relatives))}
        for n, r in reports.items()
    }
    for p in pairs:
        if p["label"] == "derived":
            asked += 2
            hits += (p["b"] in listed[p["a"]]) + (p["a"] in listed[p["b"]])
    independent = {frozenset((p["a"], p["b"])) for p in pairs if p["label"] == "independent"}
    wrong = sum(frozenset((n, x)) in independent for n, found in listed.items() for x in found if x != n)
    return {
        "asked": asked,
        "found": hits,
        "independent_listed_as_derived": wrong,
        "searched": len(files),
        "related_groups": len(related),
    }


def _components(edges: list[tuple[str, str]]) -> list[set[str]]:
    groups: list[set[str]] = []
    for a, b in edges:
        touching = [g for g in groups if a in g or b in g]
        merged = set().union({a, b}, *touching)
        groups = [g for g in groups if g not in touching] + [merged]
    return groups


def in_place(pairs: list[dict[str, Any]]) -> dict[str, float]:
    """Mean and spread of the in-place z-score (cosine in units of its standard deviation) over independent twins."""
    z = [p["cosine"] * np.sqrt(p["m_eff"]) for p in pairs if p["relation"] == "same-architecture" and p["m_eff"]]
    return {"pairs": len(z), "mean": float(np.mean(z)), "std": float(np.std(z)), "min": min(z), "max": max(z)}


def table(results: dict[str, Any]) -> str:
    rows = [
        "| relation | pairs | found by `find` (p <= 1e-6) | `compare`: derived | independent | inconclusive |",
        "|---|---|---|---|---|---|",
    ]
    for relation, r in results["by_relation"].items():
        cells = [r["pairs"], r["find"], r["compare"], r.get("compare_independent", 0), r.get("compare_inconclusive", 0)]
        rows.append(f"| {relation} | " + " | ".join(map(str, cells)) + " |")
    lib, z = results["library"], results["in_place_z"]
    return "\n".join(rows) + (
        f"\n\n{results['hashed']} of {results['files']} files hashed. Misses: {len(results['misses'])}; accused strangers: "
        f"{len(results['accused'])}. In one library of {lib['searched']} models, {lib['found']} of {lib['asked']} relatives were "
        f"listed as derived after correction, {lib['independent_listed_as_derived']} strangers. In-place z of {z['pairs']} "
        f"same-architecture strangers: mean {z['mean']:.2f}, spread {z['std']:.2f}, {z['min']:.1f} to {z['max']:.1f}.\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "../shared/models")
