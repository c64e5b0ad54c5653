"""The rivals' distances of every suspect to its parent and to all twins of the parent (nets of the same cell)."""

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.laundering.ask import Kept
from bench.laundering.cast import everybody
from bench.laundering.rivals import RIVALS, State
from whosenet.find import open_weights


@cache
def loaded(path: Path) -> State:
    with open_weights(path) as weights:
        return {t.name: np.array(t.read()) for t in weights.tensors if t.trained}


def competed(records: list[dict[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """id -> rival -> {own: distance to the parent, twins: distances to the others of its cell}."""
    kept, people = Kept("rivals"), list(everybody())
    for number, r in enumerate(records, 1):
        if r["id"] in kept.found:
            continue
        with open_weights(folder / r["file"]) as weights:
            state = {t.name: np.array(t.read()) for t in weights.tensors if t.trained}
        cell = [p for p in people if p.cell == r["cell"]]
        kept.add({"id": r["id"], "distances": {
            name: {"own": next(d(loaded(p.path), state) for p in cell if p.id == r["parent"]),
                   "twins": [d(loaded(p.path), state) for p in cell if p.id != r["parent"]]}
            for name, d in RIVALS.items()}})  # fmt: skip
        if number % 100 == 0:
            print(f"rivals {number}/{len(records)}", file=sys.stderr, flush=True)
    return {r["id"]: kept.found[r["id"]]["distances"] for r in records}
