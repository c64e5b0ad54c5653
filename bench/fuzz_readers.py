"""Damaged files by the thousand: does a reader ever crash, hang, take memory, or raise anything unforeseen?

Every format's example from the tests is damaged at random (bytes flipped, cut, doubled, overwritten with sizes near
2^31 and 2^63, spliced with another format's) and read to the end in a process of its own with an address-space limit
and a time limit a file. Right answers are: the tensors, or UnreadableInput. Everything else counts as a crash.
Usage: python bench/fuzz_readers.py [--seconds 240] [--seed 1].
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import record

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from conformance.examples import KINDS, NET, write  # noqa: E402

from whosenet.errors import UnreadableInput, WhosenetWarning  # noqa: E402
from whosenet.weights import open_weights  # noqa: E402

MEMORY = 1 << 31
"""Address space a worker may add to what its imports take."""
SLOWEST = 20.0
"""Seconds after which a file counts as a hang."""
SIZES = [0, 1, 127, 128, 255, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]


def damaged(body: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """One random injury, or up to four."""
    for _ in range(int(rng.integers(1, 5))):
        body = INJURIES[int(rng.integers(len(INJURIES)))](body, other, rng)
    return body


def _at(body: bytes, rng: np.random.Generator) -> int:
    """Headers are the interesting part, wherever they lie: half of all places are near an end."""
    near = int(rng.integers(0, min(len(body), 600) + 1))
    return (near, len(body) - near, *rng.integers(0, len(body) + 1, 2).tolist())[int(rng.integers(4))]


def _flip(body: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(body)
    for _ in range(int(rng.integers(1, 9))):
        if (at := _at(body, rng)) < len(out):
            out[at] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _cut(body: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    return body[: _at(body, rng)]


def _hole(body: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    at = _at(body, rng)
    return body[:at] + body[at + int(rng.integers(1, 64)) :]


def _double(body: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    at, length = _at(body, rng), int(rng.integers(1, 256))
    return body[:at] + body[at : at + length] * int(rng.integers(2, 5)) + body[at + length :]


def _size(body: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    at, value = _at(body, rng), SIZES[int(rng.integers(len(SIZES)))]
    code = "BHIQ"[int(rng.integers(4))]
    raw = struct.pack(f"<{code}", value & ((1 << 8 * struct.calcsize(code)) - 1))
    return body[:at] + raw + body[at + len(raw) :]


def _splice(body: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    at, from_, length = _at(body, rng), _at(other, rng), int(rng.integers(1, 200))
    return body[:at] + other[from_ : from_ + length] + body[at + length :]


def _noise(body: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    at, length = _at(body, rng), int(rng.integers(1, 40))
    return body[:at] + rng.bytes(length) + body[at + length :]


INJURIES = [_flip, _flip, _cut, _hole, _double, _size, _size, _splice, _noise]


def read(path: Path) -> str:
    """How reading a file to its end went."""
    try:
        with open_weights(path) as weights:
            for tensor in weights.tensors:
                for _ in tensor.chunks():
                    pass
        return "read"
    except UnreadableInput:
        return "refused"


class Hang(BaseException):
    """Not an Exception, so that nothing on the way catches it."""


def _hang(*_: object) -> None:
    raise Hang


def worker(name: str, suffix: str, seed: int, seconds: float, folder: Path) -> None:
    """Damage and read until time is up; the file at hand stays in the folder if this process dies."""
    warnings.simplefilter("ignore", WhosenetWarning)
    others = [file.read_bytes() for file in sorted(folder.glob("example*"))]
    body = (folder / f"example {name}{suffix}").read_bytes()
    _limit()
    signal.signal(signal.SIGALRM, _hang)
    rng, path = np.random.default_rng([seed, *f"{name}{suffix}".encode()]), folder / f"case{suffix}"
    tally: dict[str, Any] = {"read": 0, "refused": 0, "crashes": [], "slowest": 0.0}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        path.write_bytes(damaged(body, others[int(rng.integers(len(others)))], rng) or b"\0")
        signal.setitimer(signal.ITIMER_REAL, SLOWEST)
        begun = time.monotonic()
        try:
            tally[read(path)] += 1
        except (Exception, Hang) as error:  # noqa: BLE001 (whatever it is, it is what we look for)
            tally["crashes"].append(f"{type(error).__name__}: {error}"[:200])
            path.rename(folder / f"crash{len(tally['crashes'])}{suffix}")
        signal.setitimer(signal.ITIMER_REAL, 0)
        tally["slowest"] = max(tally["slowest"], time.monotonic() - begun)
    tally["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(tally))


def _limit() -> None:
    """Imports first: what they map is not what a file makes us take."""
    import scipy.stats  # noqa: F401

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def examples(folder: Path) -> list[tuple[str, str]]:
    """One small file a format, and the deflated ones beside them, written by the formats' own libraries."""
    for name, suffix in KINDS:
        write(folder, name, suffix).rename(folder / f"example {name}{suffix}")
    np.savez_compressed(folder / "example npz deflated.npz", **NET)
    with h5py.File(folder / "example keras gzip.h5", "w") as file:
        for name, array in NET.items():
            file.create_dataset(name, data=array, compression="gzip", shuffle=True, chunks=True)
    return [*KINDS, ("npz deflated", ".npz"), ("keras gzip", ".h5")]


def fuzz(name: str, suffix: str, seed: int, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        examples(Path(folder))
        call = [
            sys.executable,
            __file__,
            "--worker",
            name,
            suffix,
            folder,
            "--seed",
            str(seed),
            "--seconds",
            str(seconds),
        ]
        try:
            done = subprocess.run(call, capture_output=True, text=True, timeout=seconds + 2 * SLOWEST, check=False)
            fine = done.returncode == 0
            found = json.loads(done.stdout) if fine else {"crashes": [f"exit {done.returncode}: {done.stderr[-200:]}"]}
        except subprocess.TimeoutExpired:  # in a library's C code, where no signal handler gets its turn
            found = {"crashes": [f"hung for more than {SLOWEST:g} s"]}
        _keep(Path(folder), suffix, found["crashes"])
    inputs = found.get("read", 0) + found.get("refused", 0) + len(found["crashes"])
    return {"format": name, "suffix": suffix, "inputs": inputs, **found}


def _keep(folder: Path, suffix: str, crashes: list[str]) -> None:
    """Files that did harm, for a look."""
    cache = Path(__file__).parent / "cache" / "fuzz"
    for number, path in enumerate([*folder.glob("crash*"), *folder.glob("case*")][: len(crashes)]):
        cache.mkdir(parents=True, exist_ok=True)
        (cache / f"{number}{suffix}").write_bytes(path.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240, help="for all formats together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        name, suffix, folder = options.worker
        worker(name, suffix, options.seed, options.seconds, Path(folder))
        return
    with tempfile.TemporaryDirectory() as folder:
        cases = examples(Path(folder))
    rows = [fuzz(name, suffix, options.seed, options.seconds / len(cases)) for name, suffix in cases]
    header = ["format", "inputs", "read", "refused", "crashes", "slowest, s", "peak memory, MB"]
    cells = [[f"{r['format']} {r['suffix']}", r["inputs"], r.get("read"), r.get("refused"), len(r["crashes"]),
              r.get("slowest"), r.get("peak_mb")] for r in rows]  # fmt: skip
    total = {"inputs": sum(r["inputs"] for r in rows), "crashes": sum(len(r["crashes"]) for r in rows)}
    written = {"formats": rows, "total": total, "limits": {"address_space": MEMORY, "seconds": SLOWEST},
               "example_bytes": sum(v.nbytes for v in NET.values())}  # fmt: skip
    text = f"{total['inputs']} damaged files, {total['crashes']} crashes.\n\n{record.table(header, cells)}"
    record.write("fuzz_readers", written, text, seed=options.seed)
    print(text)
    sys.exit(bool(total["crashes"]))


if __name__ == "__main__":
    main()
