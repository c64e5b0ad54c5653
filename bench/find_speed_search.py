"""How fast `find` scans, against a bare faiss.knn_hamming call on the same codes in the same run, and its memory.

Random 256-bit codes in a temporary folder (3.7 GB for ten million models); the two sides take turns; medians.
Usage: python bench/find_speed_search.py [--rows 10000000] [--folder DIR]. Set OMP_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import record

from whosenet.hashes.code import Code
from whosenet.library import Entry, ScanLibrary

SIGNATURE, BITS, SEED, K = "nts/1(bits=256)", 256, 20260101, 10
ROUNDS = {1: 201, 100: 9}
BLOCK = 50_000


def codes(rows: int) -> Iterator[np.ndarray]:
    """Blocks of uint8 [n, 32]."""
    rng = np.random.default_rng(SEED)
    for start in range(0, rows, BLOCK):
        yield rng.integers(0, 256, (min(BLOCK, rows - start), BITS // 8), np.uint8)


def models(rows: int) -> Iterator[Entry]:
    number = 0
    for block in codes(rows):
        for row in block:
            path = f"/hub/org{number // 100:06d}/model{number:08d}.safetensors"
            code = Code(SIGNATURE, row.tobytes(), 512.0)
            yield Entry(path, f"{number:064x}", 1 << 20, 10**18, "safetensors", 64, 11_000_000, codes=(code,))
            number += 1


def fill(folder: Path, rows: int) -> float:
    start = time.perf_counter()
    with ScanLibrary(folder, create=True) as library:
        library.bulk_add(models(rows), batch=BLOCK)
    return time.perf_counter() - start


def seconds(call: Callable[[], Any]) -> tuple[float, float]:
    """Of wall time, and of this process's CPU time (which other people's load disturbs less)."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def interleaved(library: ScanLibrary, table: np.ndarray, batch: int) -> dict[str, float]:
    """Medians in milliseconds a query, ours and bare taking turns at going first."""
    import faiss

    rng = np.random.default_rng([SEED, batch])
    times: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
    for turn in range(ROUNDS[batch]):
        queries = rng.integers(0, 256, (batch, BITS // 8), np.uint8)
        asked = [Code(SIGNATURE, q.tobytes(), 512.0) for q in queries]
        calls = {"ours": partial(library.search, asked, K), "bare": partial(faiss.knn_hamming, queries, table, K)}
        for side in sorted(calls, reverse=bool(turn % 2)):
            times[side].append(seconds(calls[side]))
    out: dict[str, float] = {"batch": batch, "rounds": ROUNDS[batch]}
    for i, clock in enumerate(("wall", "cpu")):
        ours, bare = (1000 / batch * statistics.median(t[i] for t in times[side]) for side in ("ours", "bare"))
        out |= {f"ours_{clock}_ms": ours, f"bare_{clock}_ms": bare, f"ratio_{clock}": ours / bare}
    return out


def memory() -> dict[str, int]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {k: int(v.split()[0]) * 1024 for k, v in (line.split(":") for line in lines if line.startswith("Rss"))}


def held(folder: Path) -> dict[str, Any]:
    """In a fresh process: seconds to open, to the first answer, and memory before and after (bytes)."""
    import faiss  # loading faiss is not opening a library

    query = Code(SIGNATURE, np.random.default_rng(1).bytes(BITS // 8), 512.0)
    before = memory()
    start = time.perf_counter()
    library = ScanLibrary(folder)
    opened = time.perf_counter() - start
    library.search([query], K)
    first = time.perf_counter() - start
    for _ in range(3):
        library.search([query] * 100, K)
    after = memory()
    library.close()
    grown = {name: after[name] - before[name] for name in after}
    return {"open_s": opened, "first_answer_s": first, "faiss": faiss.__version__, "grown": grown, "total": after}


def fresh(folder: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, "--held", str(folder)], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def measure(base: Path, rows: int) -> dict[str, Any]:
    folder = base / f"library{rows}"
    out: dict[str, Any] = {"rows": rows, "fill_s": fill(folder, rows), "fresh": fresh(folder)}
    out["code_bytes"] = sum(f.stat().st_size for f in (folder / "codes").iterdir())
    out["record_bytes"] = (folder / "record.sqlite").stat().st_size
    table = np.concatenate(list(codes(rows)))
    with ScanLibrary(folder) as library:
        out["search"] = [interleaved(library, table, batch) for batch in ROUNDS]
    return out


def tables(results: list[dict[str, Any]]) -> str:
    keys = ["batch", "ours_wall_ms", "bare_wall_ms", "ratio_wall", "ours_cpu_ms", "bare_cpu_ms", "ratio_cpu"]
    rows = [[f"{r['rows']:,}", *(s[key] for key in keys)] for r in results for s in r["search"]]
    head = ["codes", "queries a call", "find, ms a query", "bare knn_hamming, ms", "ratio", "find, CPU ms",
            "bare, CPU ms", "CPU ratio"]  # fmt: skip
    speed = record.table(head, rows)
    mb = 1e6
    rows = [[f"{r['rows']:,}", r["fill_s"], 1000 * r["fresh"]["open_s"], 1000 * r["fresh"]["first_answer_s"],
             r["fresh"]["grown"]["RssAnon"] / mb, r["fresh"]["grown"]["RssFile"] / mb, r["code_bytes"] / mb,
             r["record_bytes"] / mb] for r in results]  # fmt: skip
    head = ["codes", "fill, s", "open, ms", "open and first answer, ms", "anonymous memory, MB", "mapped codes, MB",
            "codes on disk, MB", "record on disk, MB"]  # fmt: skip
    note = "256-bit codes, top 10, medians of interleaved runs. Memory: what opening and searching add to a process."
    return f"# Scanning a library\n\n{note}\n\n{speed}\n\n{record.table(head, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--folder", type=Path, help="where the temporary libraries go")
    parser.add_argument("--held", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.held:
        print(json.dumps(held(arguments.held)))
        return
    results = []
    for rows in arguments.rows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as base:
            results.append(measure(Path(base), rows))
    record.write("find_speed_search", results, tables(results), seed=SEED)


if __name__ == "__main__":
    main()
