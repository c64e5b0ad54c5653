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
from whosenet import thresholds
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


def answered(store: TestStore, owner: Record, method: str) -> tuple[dict[str, int], int]:
    """Points on which each honest net agrees that chose none, of whatever kind; and how many points there are."""
    questions = queryset.load(asked.folder(store, method) / f"{owner['id']}.fingerprint")
    records = [r for r in store.nets(image_set=owner["image_set"]) if r["kind"] == "honest" and r["id"] != owner["id"]]
    out, said = choosers(records, questions), asked.Said(store, method, owner["id"]).probabilities
    points = ~questions.control
    agree = {r["id"]: int((said[r["id"]].argmax(1) == questions.expected)[points].sum())
             for r in records if r["id"] not in out and r["id"] in said}  # fmt: skip
    return agree, int(points.sum())


def other_start(store: TestStore, owner: Record, method: str) -> dict | None:
    """The null: nets of the owner's architecture with the *other* kind of start only (siblings of a public one, or from
    scratch). How many of all other honest nets would they accuse, whatever their accuracy?"""
    known, (agree, points) = store.records(), answered(store, owner, method)
    own = [n for n in agree if known[n]["architecture"] == owner["architecture"]]
    null = [n for n in own if (known[n]["family"] == "sibling") != (owner["family"] == "sibling")]
    if len(null) < thresholds.MIN_REFERENCES:
        return None
    counts = np.array([agree[n] for n in null])
    least = predictive.log_tails(counts, points)
    accused = {n: bool(least[c] <= np.log(1e-3) and c > counts.max()) for n, c in agree.items() if n not in null}
    best = np.mean(sorted(known[n]["accuracy"] for n in null)[-thresholds.MIN_REFERENCES :])
    return {"owner": owner["id"], "null": len(null), "gap": float(owner["accuracy"] - best),
            "accepted": bool(owner["accuracy"] - best <= thresholds.ACCURACY_GAP),
            **{kind: [sum(accused[n] for n in mine), len(mine)] for kind, mine in _starts(known, accused).items()}}  # fmt: skip


def _starts(known: dict[str, Record], nets: dict[str, bool]) -> dict[str, list[str]]:
    siblings = [n for n in nets if known[n]["family"] == "sibling"]
    return {"from scratch": [n for n in nets if n not in siblings], "siblings": siblings}


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
    others = [found for row in lines if (found := other_start(store, known[row[0]], method))]
    wrong = record.table(
        ["owner", "references of the other start", "accuracy below the owner's", "the tool accepts them", "from scratch: would be accused", "siblings"],
        [[f["owner"], f["null"], round(f["gap"], 3), "yes" if f["accepted"] else "no",
          *(f"{f[kind][0]} of {f[kind][1]}" for kind in ("from scratch", "siblings"))] for f in others],
    )  # fmt: skip
    text = "Each honest net of the owner's own kind against the others (95 % bounds, clustered by owner).\n\n"
    record.write("test_calibration_real", {"nets": every, "rates": {str(v): t.__dict__ for v, t in total.items()}, "other start": others},
                 text + record.table(head, [*lines, summed])
                 + "\n\nReferences of the owner's architecture, but all of the other start (siblings of a public one for owners from "
                 "scratch, and the reverse), whatever their accuracy.\n\n" + wrong)  # fmt: skip


if __name__ == "__main__":
    main()
