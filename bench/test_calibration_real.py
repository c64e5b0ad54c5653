"""Are TEST's stated p-values true on real networks? Every honest net of the owner's own kind, judged against the others.

    python bench/test_calibration_real.py      # after bench/test_identify.py; results/test_calibration_real.{json,md}

Nets of one architecture and start are drawn alike as nearly as nets can be, so among them a p-value of at most a must
come in at most a share a of the cases. Honest nets of other kinds agree less, and say nothing about the null.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.identify import asked
from bench.test_identify import choosers
from bench.test_population.store import Record, TestStore
from whosenet.judging import predictive
from whosenet.judging.rates import rate
from whosenet.questions import queryset

LEVELS = (0.1, 0.05, 0.01, 0.001)


def counts(store: TestStore, owner: Record, method: str) -> tuple[dict[str, int], int]:
    """Points on which each honest net of the owner's kind agrees that chose none; and how many points there are."""
    questions = queryset.load(asked.folder(store, method) / f"{owner['id']}.fingerprint")
    records = [r for r in store.nets(image_set=owner["image_set"]) if r["kind"] == "honest" and r["id"] != owner["id"]]
    out = {owner["id"], *choosers(records, questions)}
    alike = [r["id"] for r in records if r["id"] not in out and r["architecture"] == owner["architecture"]
             and (r["family"] == "sibling") == (owner["family"] == "sibling")]  # fmt: skip
    said = asked.Said(store, method, owner["id"]).probabilities
    points = ~questions.control
    agree = {n: int((said[n].argmax(1) == questions.expected)[points].sum()) for n in alike if n in said}
    return agree, int(points.sum())


def left_out(agree: dict[str, int], points: int) -> list[dict]:
    """p of each net against the others, and whether it is accused."""
    rows = []
    for net, count in agree.items():
        others = np.array([c for n, c in agree.items() if n != net])
        p = float(np.exp(predictive.log_at_least(count, others, points)))
        rows.append({"net": net, "p": p, "accused": p <= 1e-3 and count > others.max()})
    return rows


def main() -> None:
    store, method = TestStore(), "deepcore"
    known = store.records()
    every, lines = [], []
    for path in sorted(asked.folder(store, method).glob("*.fingerprint")):
        owner = known.get(path.stem)
        if owner is None or not path.with_suffix(".npz").is_file():
            continue
        agree, points = counts(store, owner, method)
        if len(agree) < 10:
            continue
        rows = left_out(agree, points)
        every += [{"owner": owner["id"], **r} for r in rows]
        shares = np.array(list(agree.values())) / points
        lines.append([owner["id"], len(rows), f"{shares.mean():.2f} +- {shares.std(ddof=1):.2f}",
                      *(sum(r["p"] <= v for r in rows) for v in LEVELS), sum(r["accused"] for r in rows)])  # fmt: skip
    total = {v: rate([r["p"] <= v for r in every], [r["owner"] for r in every]) for v in LEVELS}
    summed = ["all", len(every), "", *(f"{t.rate:.1%} ({t.low:.1%} to {t.high:.1%})" for t in total.values()),
              sum(r["accused"] for r in every)]  # fmt: skip
    head = ["owner", "honest nets of its kind", "agreement", *(f"p <= {v:g}" for v in LEVELS), "accused"]
    text = "Each honest net of the owner's own kind against the others (95 % bounds, clustered by owner).\n\n"
    record.write("test_calibration_real", {"nets": every, "rates": {str(v): t.__dict__ for v, t in total.items()}},
                 text + record.table(head, [*lines, summed]))  # fmt: skip


if __name__ == "__main__":
    main()
