"""How fast a file is hashed, beside BLAKE3 and SHA-256 of the same bytes; how time and memory grow; how soon it starts.

Files of transformer-like shapes in a temporary folder, one at a time, read once before so that the page cache is warm.
Every process that measures is pinned to one core. The sides take turns; medians, and the ratio of each turn.
Usage: python bench/find_speed_hash.py [--rounds 7] [--core 0] [--folder DIR]. Needs 11 GB of disk and of free memory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import record
import speed_files as files

SEED = 20260103
LLAMA_400M = files.Shapes(vocabulary=32_000, width=1024, inner=2816, layers=26)
SIZES = (1.0, 2.5, 5.0, 10.0)
STARTS = 9
WHOSENET = [sys.executable, "-c", "from whosenet.cli import main; main()"]
BLAKE3 = "import sys, blake3; print(blake3.blake3(max_threads=1).update_mmap(sys.argv[1]).hexdigest())"


def code(path: Path) -> str:
    from whosenet.hashes.nts import NTS
    from whosenet.weights import open_weights

    with open_weights(path) as weights:
        return str(NTS().code(weights))


def blake3_digest(path: Path) -> str:
    from blake3 import blake3

    return str(blake3(max_threads=1).update_mmap(path).hexdigest())


def sha256_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seconds(call: Callable[[], Any]) -> tuple[float, float]:
    """Of wall time, and of this process's CPU time (which other load on the machine disturbs less)."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def turns(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Each call once a round, first in turn; (wall, CPU) of every one."""
    times: dict[str, list[tuple[float, float]]] = {side: [] for side in calls}
    order = list(calls)
    for turn in range(rounds):
        for side in order[turn % len(order) :] + order[: turn % len(order)]:
            times[side].append(seconds(calls[side]))
    return times


def in_process(path: Path, rounds: int) -> dict[str, Any]:
    """Run in a child: whosenet, BLAKE3 and SHA-256 take turns, after one call each (kernels compiled, cache warm)."""
    sides = {"whosenet": code, "blake3": blake3_digest, "sha256": sha256_digest}
    calls = {side: partial(call, path) for side, call in sides.items()}
    for call in calls.values():
        call()
    return {"load": os.getloadavg(), "times": turns(calls, rounds)}


def whole_process(path: Path, rounds: int) -> dict[str, Any]:
    """The commands a user would type, started fresh each time (compiled kernels come from numba's cache)."""
    commands = {"whosenet hash": [*WHOSENET, "hash", str(path)], "python blake3": [sys.executable, "-c", BLAKE3, path],
                "sha256sum": ["sha256sum", str(path)]}  # fmt: skip
    calls = {side: partial(_run, command) for side, command in commands.items()}
    return {"load": os.getloadavg(), "times": turns(calls, rounds)}


def _run(command: list[Any]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def watched(path: Path) -> dict[str, Any]:
    """Run in a child: seconds of the first hash and of the best of three more; peak RssAnon, sampled every 5 ms."""
    peak, done = [anonymous()], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], anonymous())

    files.warm(path)
    watcher = threading.Thread(target=watch)
    watcher.start()
    first, again = seconds(partial(code, path)), min(seconds(partial(code, path)) for _ in range(3))
    done.set()
    watcher.join()
    return {"first": first, "again": again, "peak_anonymous": peak[0], "bytes": path.stat().st_size}


def anonymous() -> int:
    """RssAnon of this process in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024


def child(task: str, path: Path, rounds: int) -> dict[str, Any]:
    """`task` in a fresh process on the same core."""
    command = [sys.executable, __file__, "--task", task, "--file", str(path), "--rounds", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def against_digests(folder: Path, rounds: int) -> list[dict[str, Any]]:
    out = []
    for kind in ("F32", "BF16"):
        with files.safetensors(folder / f"{kind}.safetensors", LLAMA_400M, kind) as path:
            files.warm(path)
            found = {"dtype": kind, "bytes": path.stat().st_size, "in_process": child("in_process", path, rounds),
                     "whole_process": whole_process(path, rounds)}  # fmt: skip
        out.append(found)
    return out


def growth(folder: Path, sizes: tuple[float, ...] = SIZES) -> list[dict[str, Any]]:
    out = []
    for kind in ("F32", "BF16"):
        for gigabytes in sizes:
            shapes = files.of_size(gigabytes * 1e9 / {"F32": 4, "BF16": 2}[kind])
            with files.safetensors(folder / f"{kind}.safetensors", shapes, kind) as path:
                out.append({"dtype": kind, "layers": shapes.layers, **child("watched", path, 1)})
    return out


def other_formats(folder: Path) -> list[dict[str, Any]]:
    shapes = files.Shapes(vocabulary=32_000, width=1024, inner=2816, layers=8)
    out = []
    for name, make in files.FORMATS.items():
        with make(folder, shapes) as path:
            out.append({"format": name, "weights": shapes.weights, **child("watched", path, 1)})
    return out


def starts() -> dict[str, Any]:
    times = [seconds(partial(_run, [*WHOSENET, "--help"]))[0] for _ in range(STARTS)]
    ask = "import sys, whosenet; print([m for m in ('torch', 'numba', 'scipy', 'faiss') if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
    ask = f"import whosenet.cli, whosenet.find; {ask}"
    with_find = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
    with tempfile.TemporaryDirectory() as base:
        shapes = files.Shapes(vocabulary=256, width=64, inner=128, layers=1)
        with files.safetensors(Path(base) / "tiny.safetensors", shapes, "F32") as path:
            hashes = [seconds(partial(_run, [*WHOSENET, "hash", str(path)]))[0] for _ in range(STARTS)]
    return {
        "help_s": times,
        "hash_tiny_s": hashes,
        "import_whosenet_loads": loaded.strip(),
        "import_find_loads": with_find.strip(),
    }


def compared(found: dict[str, Any], where: str, ours: str, other: str) -> list[float]:
    """Ratio of median wall times, median of the turns' own ratios, and the ratio of median CPU times (nan: none)."""
    times = found[where]["times"]
    (a, a_cpu), (b, b_cpu) = ([[t[i] for t in times[side]] for i in (0, 1)] for side in (ours, other))
    pairs = [x / y for x, y in zip(a, b, strict=True)]
    cpu = median(a_cpu) / median(b_cpu) if where == "in_process" else float("nan")
    return [median(a) / median(b), median(pairs), cpu]


def summary(results: dict[str, Any]) -> dict[str, Any]:
    """The claims, each with its number and whether it holds."""
    claims: dict[str, Any] = {}
    for found in results["digests"]:
        ratios = {other: compared(found, "in_process", "whosenet", other) for other in ("blake3", "sha256")}
        claims[f"{found['dtype']}: time over BLAKE3 <= 2"] = [ratios["blake3"][0], ratios["blake3"][0] <= 2]
        claims[f"{found['dtype']}: time over SHA-256 in this process < 1"] = [
            ratios["sha256"][0],
            ratios["sha256"][0] < 1,
        ]
        ours, program = (
            median(t[0] for t in found[where]["times"][side])
            for where, side in (("in_process", "whosenet"), ("whole_process", "sha256sum"))
        )
        claims[f"{found['dtype']}: time over the sha256sum program < 1"] = [ours / program, ours < program]
    peak = max(row["peak_anonymous"] for row in results["growth"]) / 1e6
    claims["peak anonymous memory to 10 GB, MB < 400"] = [peak, peak < 400]
    for kind in ("F32", "BF16"):
        rates = [row["again"][1] / row["bytes"] for row in results["growth"] if row["dtype"] == kind]
        grows = rates[-1] / rates[0]
        claims[f"{kind}: CPU seconds a GB at 10 GB over those at 1 GB <= 1.25"] = [grows, grows <= 1.25]
    start = median(results["starts"]["help_s"])
    claims["whosenet --help, s < 0.3"] = [start, start < 0.3]
    claims["import whosenet loads neither torch nor numba"] = [0.0, results["starts"]["import_whosenet_loads"] == "[]"]
    return claims


def tables(results: dict[str, Any]) -> str:
    claims = record.table(["claim", "measured", "holds"], [[k, *v] for k, v in summary(results).items()])
    rows = []
    for found in results["digests"]:
        for where, sides in (("in_process", ["whosenet", "blake3", "sha256"]),
                             ("whole_process", ["whosenet hash", "python blake3", "sha256sum"])):  # fmt: skip
            for side in sides:
                wall = median(t[0] for t in found[where]["times"][side])
                ratio = compared(found, where, sides[0], side) if side != sides[0] else [float("nan")] * 3
                rows.append([found["dtype"], where.replace("_", " "), side, wall, found["bytes"] / wall / 1e9, *ratio])
    head = ["stored as", "measured", "side", "median s", "GB/s", "whosenet's time over this", "median of turns", "CPU"]
    digests = record.table(head, rows)
    rows = [[r["dtype"], r["bytes"] / 1e9, r["again"][0], r["again"][0] / r["bytes"] * 1e9, r["again"][1],
             r["peak_anonymous"] / 1e6] for r in results["growth"]]  # fmt: skip
    grown = record.table(["stored as", "GB", "s", "s a GB", "CPU s", "peak anonymous memory, MB"], rows)
    rows = [[r["format"], r["bytes"] / 1e6, r["again"][0], r["bytes"] / r["again"][0] / 1e6,
             r["weights"] / r["again"][0] / 1e6, r["peak_anonymous"] / 1e6] for r in results["formats"]]  # fmt: skip
    others = record.table(["format", "MB", "s", "MB/s", "million weights/s", "peak anonymous memory, MB"], rows)
    loads = ", ".join(f"{found['in_process']['load'][0]:.1f}" for found in results["digests"])
    first = results["starts"]["help_s"][0]
    note = (
        f"One core, page cache warm, {results['rounds']} interleaved rounds; load average of the {os.cpu_count()}-core "
        f"machine at the start: {loads}. `whosenet --help`: median of {STARTS}; the first took {first:.2f} s. "
        f"A fresh `whosenet hash` of a tiny file takes {median(results['starts']['hash_tiny_s']):.2f} s: that is the "
        "start of Python and of the compiled kernels, and is in the whole-process rows."
    )
    return (
        f"# Speed of hashing\n\n{claims}\n\n{note}\n\n{digests}\n\nGrowth, a wider transformer, one process each:\n\n"
        f"{grown}\n\nOther formats, the same {results['formats'][0]['weights'] / 1e6:.0f} million weights:\n\n{others}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--folder", type=Path, help="where the temporary files go")
    parser.add_argument("--task", choices=["in_process", "watched"], help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.task:
        task = {"in_process": partial(in_process, rounds=arguments.rounds), "watched": watched}[arguments.task]
        print(json.dumps(task(arguments.file)))
        return
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    os.sched_setaffinity(0, {arguments.core})
    with tempfile.TemporaryDirectory(dir=arguments.folder) as base:
        folder = Path(base)
        results: dict[str, Any] = {"rounds": arguments.rounds, "starts": starts()}
        results["digests"] = against_digests(folder, arguments.rounds)
        results["formats"] = other_formats(folder)
        results["growth"] = growth(folder)
    results["claims"] = summary(results)
    record.write("find_speed_hash", results, tables(results), seed=SEED)
    sys.exit(not all(holds for _, holds in results["claims"].values()))


if __name__ == "__main__":
    main()
