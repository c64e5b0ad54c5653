"""kill -9 at random moments: is any acknowledged model lost, does a library ever fail to open, does a search ever err?

Each round starts processes that add, update and remove models, lets them run for a random time while another process
searches, and kills them with SIGKILL. Every acknowledgement is a line in the process's own journal, written after the
call returned. Then the library is opened and compared with the journals: what was acknowledged must be there.
Usage: python bench/kill9.py [--rounds 40] [--adders 3].
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import record

from whosenet.errors import WhosenetError
from whosenet.hashes.code import Code
from whosenet.library import Entry, ScanLibrary, compact

SEED, BITS = 20260102, 256
SIGNATURE = "nts/1(bits=256)"


def model(name: str, version: int) -> Entry:
    """Its code follows from its name and version, so that the checker can recompute it."""
    data = np.random.default_rng([int(name, 16), version]).bytes(BITS // 8)
    return Entry(
        f"/m/{name}", f"{name:0>32}{version:032x}", 1, 1, "npz", 1, 1, name=name, codes=(Code(SIGNATURE, data, 9.0),)
    )


def adder(folder: Path, journal: Path, who: int, seed: int) -> None:
    """Add, update and remove until killed. A journal line: + NAME VERSION or - NAME, before (?) and after (!)."""
    compact.MIN_DEAD, compact.DEAD_SHARE = 8, 0.03  # so that compactions are killed too
    rng = np.random.default_rng([seed, who])
    mine: list[str] = []
    with journal.open("a", buffering=1) as log, ScanLibrary(folder, create=True) as library:
        while True:
            batch = [f"{who:02x}{rng.integers(1 << 60):015x}" for _ in range(rng.integers(1, 30))]
            _do(log, [f"+ {name} 0" for name in batch], lambda batch=batch: library.add([model(n, 0) for n in batch]))
            mine += batch
            again = [str(name) for name in rng.choice(mine, min(len(mine), 5), replace=False)]
            _do(log, [f"+ {name} 1" for name in again], lambda again=again: library.add([model(n, 1) for n in again]))
            gone = [mine.pop(int(rng.integers(len(mine)))) for _ in range(min(len(mine), int(rng.integers(12))))]
            _do(log, [f"- {name}" for name in gone], lambda gone=gone: library.remove(gone))


def _do(log: Any, lines: list[str], call: Any) -> None:
    """Announce (?), do, acknowledge (!). One write system call a group, so a line is there whole or not at all."""
    if lines:
        log.write("".join(f"? {line}\n" for line in lines))
        log.flush()
        call()
        log.write("".join(f"! {line}\n" for line in lines))
        log.flush()


def reader(folder: Path, journal: Path, seed: int) -> None:
    """Search and open until killed; every complaint becomes a line."""
    rng = np.random.default_rng([seed, 99])
    with journal.open("a", buffering=1) as log:
        while True:
            if not (folder / "library.json").exists():
                continue
            try:
                with ScanLibrary(folder) as library:
                    for _ in range(int(rng.integers(1, 40))):
                        hits = library.search([Code(SIGNATURE, rng.bytes(BITS // 8), 9.0)] * 2, 10)
                        wrong = [hit for hit in hits[0] if not right(hit.entry, hit.code)] or hits[0] != hits[1]
                        log.write("searched\n" if not wrong else f"wrong {wrong}\n")
            except WhosenetError as error:
                log.write(f"error {error}\n")


def right(entry: Entry, code: Code) -> bool:
    return code.data == model(entry.name, int(entry.digest[32:], 16)).codes[0].data


def outcome(journals: list[Path]) -> tuple[dict[str, set[int | None]], int]:
    """What each model may be by now (a version, or None for absent), and how many calls' models were acknowledged."""
    may: dict[str, set[int | None]] = {}
    acknowledged = 0
    for journal in journals:
        for line in journal.read_text().splitlines():
            kind, sign, name, *version = line.split()
            state = int(version[0]) if sign == "+" else None
            if kind == "?":
                may.setdefault(name, {None}).add(state)
            else:
                may[name], acknowledged = {state}, acknowledged + 1
    return may, acknowledged


def faults(folder: Path, may: dict[str, set[int | None]]) -> dict[str, int]:
    """Open the library and compare it with what was acknowledged, by the record and by the scan."""
    lost = wrong = 0
    with ScanLibrary(folder) as library:
        held = {entry.name: entry for entry in library.entries()}
        for name, states in may.items():
            entry = held.get(name)
            state = int(entry.digest[32:], 16) if entry else None
            lost += state not in states
            wrong += entry is not None and not right(entry, entry.codes[0])
        names = list(held)
        found = library.search([held[name].codes[0] for name in names], 1)
        unfound = sum(
            hits[0].entry.name != name or hits[0].distance != 0 for name, hits in zip(names, found, strict=True)
        )
        return {"lost": lost, "wrong": wrong, "unfound": unfound, "unknown": len(set(held) - set(may)),
                "files_rebuilt": library.check(), "models": len(held)}  # fmt: skip


def run_round(base: Path, number: int, adders: int, longest: float, start: str = "spawn") -> dict[str, Any]:
    """One round in `base`/library; `crashed` counts processes that ended before they were killed."""
    rng = np.random.default_rng([SEED, number])
    folder, names = base / "library", [f"adder{who}-{number}" for who in range(adders)]
    context: Any = multiprocessing.get_context(start)
    jobs: list[Any] = [(adder, (folder, base / name, who, SEED + number)) for who, name in enumerate(names)]
    jobs.append((reader, (folder, base / "reader", SEED + number)))
    running = [context.Process(target=target, args=arguments, daemon=True) for target, arguments in jobs]
    for process in running:
        process.start()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not any((base / name).exists() for name in names):
        time.sleep(0.01)
    for process in running[:-1]:
        time.sleep(float(rng.uniform(0, longest)))
        os.kill(process.pid or 0, signal.SIGKILL)
    os.kill(running[-1].pid or 0, signal.SIGKILL)
    for process in running:
        process.join()
    may, acknowledged = outcome(sorted(base.glob("adder*-*")))
    compactions = max((int(file.stem) for file in folder.glob("codes/*.codes")), default=1) - 1
    crashed = sum(process.exitcode != -signal.SIGKILL for process in running)
    counted = {"round": number, "acknowledged": acknowledged, "compactions": compactions, "crashed": crashed}
    return {**counted, **check(folder, may)}


def check(folder: Path, may: dict[str, set[int | None]]) -> dict[str, Any]:
    try:
        if not (folder / "library.json").exists() and not any(len(states) == 1 for states in may.values()):
            return {"corrupt": 0}  # killed before there was a library
        return {"corrupt": 0, **faults(folder, may)}
    except WhosenetError as error:
        return {"corrupt": 1, "error": str(error)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--adders", type=int, default=3)
    parser.add_argument("--longest", type=float, default=0.7, help="seconds until the next process is killed, at most")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as base:
        rounds = [run_round(Path(base), n, arguments.adders, arguments.longest) for n in range(arguments.rounds)]
        journal = Path(base, "reader").read_text().splitlines()
    complaints = [line for line in journal if line != "searched"]
    keys = ("lost", "wrong", "unfound", "unknown", "files_rebuilt", "corrupt", "crashed")
    total = {key: sum(r.get(key, 0) for r in rounds) for key in keys}
    last = rounds[-1]
    kills = arguments.rounds * (arguments.adders + 1)
    summary = {"rounds": len(rounds), "kills": kills, "searches": len(journal) - len(complaints), **total,
               "acknowledged": last["acknowledged"], "compactions": last["compactions"],
               "models_at_the_end": last.get("models"), "complaints": complaints[:20]}  # fmt: skip
    lost, wrong = total["lost"] + total["unfound"], total["wrong"] + total["unknown"]
    row = [len(rounds), kills, last["acknowledged"], last["compactions"], lost, wrong, total["corrupt"],
           total["crashed"], total["files_rebuilt"], summary["searches"], len(complaints)]  # fmt: skip
    head = ["rounds", "processes killed", "acknowledged changes", "compactions", "lost", "wrong", "corrupt opens",
            "crashes", "code files rebuilt", "searches meanwhile", "failed or wrong searches"]  # fmt: skip
    note = f"{arguments.adders} processes add, update, remove and compact, one searches; all are killed with SIGKILL."
    record.write(
        "kill9",
        {"summary": summary, "rounds": rounds},
        f"# kill -9\n\n{note}\n\n{record.table(head, [row])}",
        seed=SEED,
    )
    sys.exit(any(total.values()) or bool(complaints))


if __name__ == "__main__":
    main()
