"""Real weight files with known relations: what `compare` says of every pair, tensor by tensor.

python bench/verify_real.py [FOLDER_WITH_manifest.json]

"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from whosenet.structure.rearranged import Model, rearranged
from whosenet.verify.align import speaking
from whosenet.verify.compare import compare
from whosenet.weights import open_weights

ROOT = Path(__file__).resolve().parents[1]
TWINS = ({"hal-v1", "hal-v2"}, {"jarvis-v1", "jarvis-v2"})


def main(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {f["id"]: folder / f["path"] for f in manifest["files"]}
    pairs = [judge(p, files) for p in manifest["pairs"]]
    record.write("verify_real", {"pairs": pairs}, table(pairs))


def judge(pair: dict[str, str], files: dict[str, Path]) -> dict[str, Any]:
    with open_weights(files[pair["a"]]) as a, open_weights(files[pair["b"]]) as b:
        began = time.process_time()
        c = compare(a, b)
        seconds = time.process_time() - began
        r = rearranged(Model(speaking(a)[0]), Model(speaking(b)[0])) if pair["label"] == "independent" else None
    return {
        **{k: pair[k] for k in ("a", "b", "label", "relation")}, "verdict": c.verdict, "log10_p": c.log10_p, "said": c.relation,
        "coverage": c.coverage, "reason": c.reason, "seconds": seconds,
        "reordered_log10_p": r.log10_all if r else None, "similarity": [m.matching.similarity for m in r.found] if r else None,
        "tensors": [t.__dict__ for t in c.tensors] if pair["label"] == "derived" else None,
    }  # fmt: skip


def table(pairs: list[dict[str, Any]]) -> str:
    kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for p in pairs:
        kinds[f"{p['label']}: {p['relation']}"].append(p)
    rows = []
    for kind, of in sorted(kinds.items()):
        said = Counter(p["verdict"] for p in of)
        smallest = min(p["log10_p"] for p in of)
        rows.append(
            [kind, len(of), *[said[v] for v in ("derived", "independent", "inconclusive")], f"1e{smallest:.0f}"]
        )
    lines = [
        record.table(["relation", "pairs", "derived", "independent", "inconclusive", "smallest p"], rows),
        "",
        "Derived pairs:",
        "",
    ]
    explained = []
    for p in pairs:
        if p["label"] == "derived":
            both = [t for t in p["tensors"] if t["a"] and t["b"]]
            traced = Counter(t["note"] for t in both)
            notes = "; ".join(f"{n} x {note}" for note, n in traced.most_common())
            explained.append([p["a"], p["b"], p["relation"], ", ".join(p["said"]), p["coverage"], notes])
    lines.append(record.table(["A", "B", "true relation", "said", "coverage", "tensors"], explained))
    twins = [
        p
        for p in pairs
        if p["label"] == "independent"
        and any(
            {
                p["a"].removeprefix("wakeword-").removesuffix("-onnx"),
                p["b"].removeprefix("wakeword-").removesuffix("-onnx"),
            }
            == t
            for t in TWINS
        )
    ]
    lines += ["", "Retrained for the same phrase:", ""]
    lines.append(
        record.table(
            ["A", "B", "verdict", "log10 p", "re-ordered log10 p", "largest similarity after re-ordering"],
            [[p["a"], p["b"], p["verdict"], p["log10_p"], p["reordered_log10_p"], max(p["similarity"])] for p in twins],
        )
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "../shared/models")
