"""Memory of `probe` against the number of questions: the peak of a fresh process at 100, 1,000 and 5,000 of them.

    python bench/test_memory.py       # results/test_memory.{json,md}

A PyTorch network is asked, twelve references are the null, every answer goes into a transcript; 16x16 images. The nets are
those of bench/test_bad_input.py.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import record
from bench.bad_input import small
from whosenet.networks.predict import probabilities
from whosenet.networks.spec import load_network
from whosenet.questions.answers import empty_stack
from whosenet.questions.queryset import QuerySet

QUESTIONS = (100, 1_000, 5_000)
CACHE = Path(__file__).parent / "cache" / "bad-input"
GROWTH = 64 << 20
"""Bytes more at 5,000 questions than at 1,000 that still pass as flat: images, answers and the transcript's header."""


def fingerprint(world: small.Small, count: int, path: Path) -> None:
    """Faint images with the owner's answers, a tenth of them clear ones: memory does not care which."""
    x, y = small.images(2 * count, seed=count)
    owner = load_network(world.spec())
    known = np.flatnonzero(probabilities(owner.module, x).argmax(1) == y)[: count // 10]
    faint = small.images(count - len(known), seed=count + 1, strength=8)[0]
    x = np.concatenate([x[known], faint])
    said = probabilities(owner.module, x)
    QuerySet(images=x, expected=said.argmax(1).astype(np.int64), probabilities=said, control=np.arange(count) < len(known),
             method="null", parameters={}, owner=owner.digest,
             copies=empty_stack(count, 4)).save(path)  # fmt: skip


def peak(arguments: list[str]) -> tuple[int, float]:
    """Bytes and seconds of one call."""
    began = time.perf_counter()
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            assert process.stderr is not None
            sys.exit(process.stderr.read().decode())
    return used.ru_maxrss * 1024, time.perf_counter() - began


def main() -> int:
    world = small.made(CACHE)
    command = str(Path(sys.executable).with_name("whosenet"))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for count in QUESTIONS:
            path = Path(folder) / f"{count}.fingerprint"
            fingerprint(world, count, path)
            kept = Path(folder) / f"{count}.t"
            bytes_, seconds = peak([command, "probe", world.spec("twin16"), "--fingerprint", str(path), *world.null, "--json",
                                    "--transcript", str(kept)])  # fmt: skip
            rows.append({"questions": count, "peak_bytes": bytes_, "seconds": seconds, "transcript_bytes": kept.stat().st_size,
                         "image_bytes": count * 16 * 16 * 3})  # fmt: skip
            print(rows[-1], file=sys.stderr, flush=True)
    lines = [[r["questions"], r["peak_bytes"] / 1e6, r["image_bytes"] / 1e6, r["transcript_bytes"] / 1e6] for r in rows]
    first, second, last = (r["peak_bytes"] for r in rows)
    grown = last - second
    head = (f"From {QUESTIONS[0]} to {QUESTIONS[1]:,} questions the peak grows by {(second - first) / 1e6:.0f} MB (a whole batch "
            f"of images goes through the networks), from there to {QUESTIONS[2]:,} by {grown / 1e6:.0f} MB.")  # fmt: skip
    table = record.table(["questions", "peak memory, MB", "images, MB", "transcript, MB"], lines)
    record.write("test_memory", {"rows": rows, "grown_bytes": grown}, f"{head}\n\n{table}")
    return int(grown > GROWTH)


if __name__ == "__main__":
    sys.exit(main())
