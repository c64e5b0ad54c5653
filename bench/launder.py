"""Laundering must not pay: copies that were rearranged, rescaled, folded, merged or cut, alone and with a light edit.

    python bench/launder.py dev              # the development parents
    python bench/launder.py report           # the others: what is reported
    python bench/launder.py dev --spread --llamas 1 --only permute rescale --edits --dry      # a few minutes

Parents come from the FIND population (`python -m bench.population.build`) and from `python -m
bench.laundering.train_llama`. Everything is seeded; it goes on where it stopped, and asks again when the product changes.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from bench import record
from bench.laundering import ask, cast, near, tables, wash
from bench.laundering.compete import competed
from bench.population.index import default_root


def spread(parents: list[cast.Parent]) -> list[cast.Parent]:
    """The Llamas, and of the k-th architecture the k-th cell (round and round)."""
    kinds = sorted({p.kind.rstrip("0123456789").split("-")[0] for p in parents if p.kind != "llama"})
    out = []
    for number, kind in enumerate(kinds):
        some = sorted((p for p in parents if p.kind.startswith(kind)), key=lambda p: p.cell)
        out.append(some[number % len(some)])
    return out + [p for p in parents if p.kind == "llama"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("split", choices=("dev", "report"))
    parser.add_argument("--nets", type=int, default=1, help="CNNs of each architecture and image set")
    parser.add_argument("--llamas", type=int, default=6)
    parser.add_argument("--only", nargs="*", help="launderings")
    parser.add_argument("--edits", nargs="*", help="light edits; none is always asked")
    parser.add_argument("--spread", action="store_true", help="one CNN an architecture, over the image sets in turn")
    parser.add_argument("--dry", action="store_true", help="nothing is written")
    options = parser.parse_args()
    torch.set_num_threads(1)
    parents = cast.chosen(options.split, options.nets, options.llamas)
    for what in ask.PARTS:
        ask.state(what)
    if options.spread:
        parents = spread(parents)
    wanted = [s for s in wash.suspects(parents) if s.wash in (options.only or wash.WASHES)]
    wanted = [s for s in wanted if s.edit in ("none", *(wash.EDITS if options.edits is None else options.edits))]
    records = wash.make(wanted)
    folder = default_root() / "launder" / "suspects"
    found = ask.found(records, folder)
    nearest = near.nearest([r for r in records if not tables.hit(r, found)], folder)
    results = tables.results(records, found, ask.compared(records, folder), competed(records, folder), nearest)
    text = tables.markdown(options.split, results)
    print(text)
    if not options.dry:
        record.write(f"launder_{options.split}", results, text, seed=0)
        targets = {"accused": results["accused"], "misses": results["misses"]}
        record.write(f"launder_{options.split}_short", targets, tables.short(options.split, results), seed=0)


if __name__ == "__main__":
    main()
