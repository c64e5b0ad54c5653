"""Which draws of references does the tool take for the owner's kind? By the population's records alone: nobody is asked.

    python bench/test_references.py      # results/test_references.{json,md}

The same owners and draws as bench/test_identify.py. Where a draw is not accepted, no suspect is called derived by it; where
it is, the verdicts are those of a judge that does not look at what references are.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.identify import asked, cast
from bench.test_identify import DRAWS, SETS, choosers, owners
from bench.test_population.store import Record, TestStore
from whosenet import thresholds
from whosenet.judging import own_kind
from whosenet.questions import queryset
from whosenet.questions.answers import Kind, Stack


def kind(net: Record) -> Kind:
    return Kind(net["architecture"], net["accuracy"])


def shortage(owner: Record, references: list[Record]) -> own_kind.Shortage:
    names, n = tuple(r["id"] for r in references), len(references)
    silent = np.zeros((n, 1), np.int64), np.zeros((n, 1, 2), np.float32)
    return own_kind.shortage(kind(owner), Stack(names, names, *silent, tuple(kind(r) for r in references)))


def row(owner: Record, null: str, draw: int, references: list[Record]) -> dict:
    """`accepted`: with all of them, as for copies; `left out`: draws without one of them, as for that honest net."""
    own = sorted(r["accuracy"] for r in references if r["architecture"] == owner["architecture"])
    without = [not shortage(owner, [r for r in references if r is not one]).why for one in references]
    found = shortage(owner, references)
    return {"owner": owner["id"], "null": null, "draw": draw, "references": len(references), "own": len(own),
            "gap": float(owner["accuracy"] - np.mean(own[-thresholds.MIN_REFERENCES :])), "accepted": not found.why,
            "needed": found.needed, "left out": [sum(without), len(without)]}  # fmt: skip


def rows(store: TestStore, image_set: str) -> list[dict]:
    records = [r for r in store.nets(image_set=image_set) if r["kind"] != "public"]
    known, out = {r["id"]: r for r in records}, []
    for owner in owners(store, image_set, "report"):
        questions = queryset.load(asked.folder(store, "deepcore") / f"{owner['id']}.fingerprint")
        for null, count in cast.REFERENCES.items():
            for draw in range(DRAWS if count else 1):
                played = cast.draw(owner, records, draw, chose=choosers(records, questions), null=null)
                out.append(row(owner, null, draw, [known[r] for r in played.references]))
    return out


def line(mine: list[dict]) -> list[object]:
    low, high = (pick(r["own"] for r in mine) for pick in (min, max))
    gaps = [r["gap"] for r in mine]
    return [mine[0]["owner"], mine[0]["null"], f"{low} to {high}" if low < high else low,
            f"{min(gaps):.3f} to {max(gaps):.3f}" if len(mine) > 1 else f"{gaps[0]:.3f}",
            f"{sum(r['accepted'] for r in mine)} of {len(mine)}", max(r["needed"] for r in mine),
            f"{sum(r['left out'][0] for r in mine)} of {sum(r['left out'][1] for r in mine)}"]  # fmt: skip


def main() -> None:
    found = [r for image_set in SETS for r in rows(TestStore(), image_set)]
    groups = dict.fromkeys((r["owner"], r["null"]) for r in found)
    lines = [line([r for r in found if (r["owner"], r["null"]) == key]) for key in groups]
    head = ["owner", "null", "references of its architecture", "their best ten below the owner's accuracy", "draws accepted",
            "needed at most", "accepted with one left out"]  # fmt: skip
    record.write("test_references", {"draws": found}, record.table(head, lines))


if __name__ == "__main__":
    main()
