"""How points are best made: objective x start x class x the parts that are ours, on the development owners.

    python -m bench.test_population.build      # once: the honest nets
    python bench/test_points.py --reduced      # results/test_points.{json,md}: one owner, the settings that tell most
    python bench/test_points.py                # all settings, all owners; resumable

Development owners are CIFAR-10's nets numbered 0 (`bench/points/cast.py`); defaults were chosen on these. What the
tool achieves is reported by `bench/test_identify.py` on the other owners and image sets, none of which is used here.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from bench import record
from bench.points import family, measure
from bench.points.cast import OWNERS, THIEVES
from bench.test_population.store import TestStore

QUERIES = 20
HEADER = [
    "group",
    "setting",
    "AUC",
    f"AUC at {QUERIES} points",
    *(f"{t}" for t in THIEVES),
    "honest mean",
    "honest max",
    "least gap",
    "s",
]


def line(rows: list[measure.Row]) -> list[object]:
    """A row of the table: mean agreement by thief, then of honest nets."""
    whole, few = measure.summary(rows), measure.summary(rows, QUERIES)
    seconds = sum(r["seconds"] for r in rows) / len(rows)
    copies = [whole["copies"].get(t) for t in THIEVES]
    return [rows[0]["group"], rows[0]["name"], whole["auc_all"], few["auc_all"], *copies, whole["honest"], whole["honest_max"], whole["gap"], seconds]  # fmt: skip


def heading(rows: list[measure.Row], owners: list[str]) -> str:
    honest = min((len(r["honest"]) for r in rows if "honest" in r), default=0)
    versions = sorted({r["code"] for r in rows if "code" in r})
    return (
        f"Owners: {', '.join(owners)}; {measure.POINTS} questions, a tenth of them controls; {honest} honest nets an owner, "
        f"none of which chose points; {len(THIEVES)} kinds of copies, each trained apart from those that points are made for. "
        "Shares of points on which a net says the owner's label, labels only; s: processor seconds, copies given. The default "
        "has pool 3; where the group is `pool 1`, what is named differs from the default and there is no choice among "
        f"candidates. Code of the points: {', '.join(versions)}.\n\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", default="", help="owners whose name holds this; makes rows, writes no table")
    parser.add_argument("--groups", nargs="*", default=[])
    parser.add_argument("--reduced", action="store_true", help="the first owner and the settings of family.REDUCED")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    members = [m for m in family.members() if not asked.groups or m.group in asked.groups]
    if asked.reduced:
        members, asked.only = [m for m in members if (m.group, m.name) in family.REDUCED], OWNERS[0]
    rows = measure.measured(TestStore(), members, tuple(range(asked.seeds)), asked.only)
    rows = [r for r in rows if asked.only in r["owner"]]
    if (asked.only or asked.groups) and not asked.reduced:
        return
    lines, summaries = [], []
    for member in members:
        mine = [r for r in rows if (r["group"], r["name"]) == (member.group, member.name) and "error" not in r]
        if mine:
            lines.append(line(mine))
            summaries.append({"group": member.group, "name": member.name, **measure.summary(mine)})
    text = heading(rows, sorted({r["owner"] for r in rows}))
    record.write("test_points", summaries, text + record.table(HEADER, lines), seed=0)
    print(text + record.table(HEADER, lines))


if __name__ == "__main__":
    main()
