"""What whosenet says of the suspects: `find` in a library of all parents, `compare` with the parent and with twins.

Answers are kept under the state of the product's code that gave them, so that a run goes on where it stopped and a
changed product is asked again.
"""

import hashlib
import json
import math
import sys
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from bench.laundering.cast import Parent, everybody
from bench.population.index import CHECKOUT, default_root
from whosenet.errors import UnreadableInput
from whosenet.find import ScanLibrary, add, compare, find, hash_file, hasher, open_weights

PARTS = {
    "find": ("hashes", "finding", "library", "weights", "thresholds.py"),
    "compare": ("verify", "structure", "weights", "thresholds.py", "hashes/canonical.py", "hashes/nts.py",
                "hashes/sketch.py", "hashes/chance.py", "hashes/kernels.py", "hashes/statistics.py"),
    "rivals": ("weights",),
}  # fmt: skip
"""The parts of the product an answer depends on."""
PARTS["near"] = tuple(dict.fromkeys(PARTS["find"] + PARTS["compare"]))
TWINS = 3
"""So many strangers of the parent's own cell each laundered (and not edited) suspect is compared with."""


@cache
def state(what: str = "find") -> str:
    """A digest of the product's code as it was when this process first asked."""
    root = CHECKOUT / "src" / "whosenet"
    files = sorted(
        f for part in PARTS[what] for f in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))
    )
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()[:16]


class Kept:
    """Answers by suspect, in one file a state of the product; a line cut short by a kill is left out."""

    def __init__(self, what: str) -> None:
        self.path = default_root() / "launder" / "answers" / f"{what}-{state(what)}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.is_file() else []
        self.found = {r["id"]: r for r in (json.loads(line) for line in lines if line.endswith(b"\n"))}
        if lines and not lines[-1].endswith(b"\n"):
            self.path.write_bytes(b"".join(lines[:-1]))

    def add(self, record: dict[str, Any]) -> None:
        self.found[record["id"]] = record
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")


def library() -> Path:
    """A library of every parent, made once a state of the product."""
    path = default_root() / "launder" / f"library-{state()}"
    paths = [str(p.path) for p in everybody()]
    report = add(path, paths, jobs=1)
    print(f"library of {len(paths)}: {report.added} added, {len(report.failed)} failed", file=sys.stderr, flush=True)
    return path


def found(records: list[dict[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """id -> {derived: names, log10_p of the parent's match, seconds, plain: log10_p by nts alone}."""
    kept, where = Kept("find"), {str(p.path): p.id for p in everybody()}
    plain = {p.id: hash_file(p.path, [hasher("nts")], digest=False).codes[0] for p in everybody()}
    with ScanLibrary(library()) as lib:
        for number, r in enumerate(records, 1):
            if r["id"] not in kept.found:
                kept.add(_find_one(r, folder / r["file"], lib, where, plain))
                say("find", number, records)
    return {r["id"]: kept.found[r["id"]] for r in records}


def _find_one(
    r: dict[str, Any], path: Path, lib: ScanLibrary, where: dict[str, str], plain: dict[str, Any]
) -> dict[str, Any]:
    began = time.monotonic()
    answer = find([path], lib, top=20)[0]
    if isinstance(answer, Exception):
        return {
            "id": r["id"],
            "error": str(answer),
            "derived": [],
            "log10_p": 0.0,
            "plain": 0.0,
            "seconds": 0.0,
            "methods": [],
        }
    names = {where[str(Path(m.path))]: m for m in answer.matches}
    own = names.get(r["parent"])
    code = hash_file(path, [hasher("nts")], digest=False).codes[0]
    count = math.log10(len(plain))
    return {
        "id": r["id"], "derived": sorted(n for n, m in names.items() if m.verdict == "derived"),
        "log10_p": own.log10_p if own else 0.0, "by": own.method if own else None, "seconds": time.monotonic() - began,
        "plain": min(0.0, code.log10_p(plain[r["parent"]]) + count), "methods": answer.methods,
        "plain_wrong": [n for n, c in plain.items() if n != r["parent"] and code.log10_p(c) + count <= -6],
    }  # fmt: skip


def compared(records: list[dict[str, Any]], folder: Path) -> dict[str, dict[str, Any]]:
    """id -> what compare says of the pair with the parent, and of pairs with twins of the parent."""
    kept, people = Kept("compare"), {p.id: p for p in everybody()}
    for number, r in enumerate(records, 1):
        if r["id"] not in kept.found:
            twins = [p for p in people.values() if p.cell == r["cell"] and p.id != r["parent"]]
            start = int(hashlib.sha256(r["id"].encode()).hexdigest()[:8], 16)
            count = min(TWINS, len(twins)) if r["edit"] == "none" else 0
            some = [twins[(start + k) % len(twins)] for k in range(count)]
            kept.add({"id": r["id"], "own": compare_one(people[r["parent"]], folder / r["file"]),
                      "twins": [{"name": t.id, **compare_one(t, folder / r["file"])} for t in some]})  # fmt: skip
            say("compare", number, records)
    return {r["id"]: kept.found[r["id"]] for r in records}


def compare_one(parent: Parent, path: Path) -> dict[str, Any]:
    began = time.monotonic()
    try:
        with open_weights(parent.path) as a, open_weights(path) as b:
            c = compare(a, b)
    except UnreadableInput as error:
        return {
            "verdict": "error",
            "log10_p": 0.0,
            "reason": str(error),
            "relation": [],
            "coverage": 0.0,
            "seconds": 0.0,
        }
    return {"verdict": c.verdict, "log10_p": c.log10_p, "reason": c.reason, "relation": c.relation,
            "coverage": c.coverage, "seconds": time.monotonic() - began}  # fmt: skip


def say(what: str, number: int, all_of_them: Iterable[Any]) -> None:
    if number % 25 == 0:
        print(f"{what} {number}/{len(list(all_of_them))}", file=sys.stderr, flush=True)
