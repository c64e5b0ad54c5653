"""Which of 1,000 licensees leaked this copy?

    python bench/prove_trace.py                # results/prove_trace.{json,md}; needs bench/prove_population

The marked networks of the population are copies of as many licensees; their keys stand among 1,000. `trace` gets
them, laundered copies of them, and networks nobody marked. Told: who is named, wrong names, questions, seconds. The
result is written after every suspect, so a run that is stopped leaves what it has.
"""

import argparse
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from bench import record
from bench.prove_population.build import ProveStore, key_for
from whosenet.hiding.place import digest
from whosenet.keys.key import Key, mint
from whosenet.proving.keyring import Keyring
from whosenet.proving.tracing import trace
from whosenet.suspects.torch_module import TorchSuspect

IMAGE_SET = "cifar10"
KEYS = 1000
LEFT_OUT = 9
"""Seed of the development networks."""
COLUMNS = ["suspect", "accuracy", "named", "right", "log10 p", "hits", "base rate", "questions", "seconds"]


def stranger(number: int) -> Key:
    """A licensee whose copy is not among the suspects, by the number alone."""
    parts = {part: sha256(f"prove-trace/{part}/{number}".encode()).digest() for part in ("secret", "signing")}
    return mint(
        f"Licensee {number:04d}", method={"watermark": "deephiding", "patterns": 4, "hiding": digest()}, **parts
    )


def owner_of(found: dict[str, Any]) -> Key | None:
    """The key a network was marked with, or that of the network it was made of."""
    marked = found["id"].split("+")[0].endswith(".marked")
    return key_for(found["image_set"], found["architecture"], found["seed"], {}) if marked else None


def suspects(store: ProveStore) -> list[dict[str, Any]]:
    """Marked ones, copies of them, and unmarked ones, in turns, so that a stopped run has some of each."""
    all_of = [r for r in store.nets(image_set=IMAGE_SET, variant="default") if r["seed"] != LEFT_OUT]
    kinds = [[r for r in all_of if (owner_of(r) is None, "+" in r["id"]) == kind]
             for kind in ((False, False), (True, False), (False, True), (True, True))]  # fmt: skip
    longest = max(map(len, kinds))
    return [kind[i] for i in range(longest) for kind in kinds if i < len(kind)]


def row(store: ProveStore, one: dict[str, Any], ring: Keyring) -> dict[str, Any]:
    key, began = owner_of(one), time.perf_counter()
    found = trace(TorchSuspect(store.load(one)), ring, store.images(IMAGE_SET)["owner"].take(np.arange(10_000)))
    best = found.candidates[0].judgement if found.candidates else None
    mine = {key.identity} if key else set()
    return {
        "suspect": one["id"], "accuracy": one["accuracy"], "named": ", ".join(found.licensees) or "nobody",
        "right": f"{len(mine & set(found.licensees))} of {len(mine)}", "wrong": len(set(found.licensees) - mine),
        "log10 p": found.log10_p, "hits": f"{best.hits}/{best.triggers}" if best else "",
        "base rate": best.base_rate if best else None, "questions": found.queries,
        "seconds": time.perf_counter() - began,
        "candidates": [[c.identity, c.screened, c.judgement.log10_p] for c in found.candidates],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=KEYS)
    parser.add_argument("--most", type=int, help="suspects at most")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    store = ProveStore()
    asked = suspects(store)[: arguments.most]
    owners = {key.commitment: key for key in map(owner_of, asked) if key is not None}
    others = tuple(stranger(number) for number in range(arguments.keys - len(owners)))
    ring = Keyring((*others, *owners.values()), ())
    rows: list[dict[str, Any]] = []
    for one in asked:
        rows.append(row(store, one, ring))
        print({c: rows[-1][c] for c in COLUMNS}, file=sys.stderr, flush=True)
        wrong = sum(r["wrong"] for r in rows)
        table = record.table(COLUMNS, [[r[c] for c in COLUMNS] for r in rows])
        text = (
            f"# Tracing among {arguments.keys} licensees\n\nWrong names: {wrong} in {len(rows)} traces at alpha 1e-6."
        )
        summary = {"keys": arguments.keys, "wrong names": wrong, "of": len(asked), "hiding pair": digest()}
        record.write("prove_trace", {"summary": summary, "rows": rows}, f"{text}\n\n{table}", seed=0)


if __name__ == "__main__":
    main()
