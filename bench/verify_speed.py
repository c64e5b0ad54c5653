"""How long does `compare` take on two models of ResNet-50's size? One core, files in memory, random weights.

python bench/verify_speed.py
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from bench import record
from bench.find_calibration import as_weights
from whosenet.verify.compare import compare

SEED = 5
Net = dict[str, np.ndarray]


def resnet50() -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[str | None, str | None]]]:
    """Shapes of the 54 kernels (25.5 million weights), and the units along outputs and inputs."""
    shapes: dict[str, tuple[int, ...]] = {"conv1": (64, 3, 7, 7)}
    wires: dict[str, tuple[str | None, str | None]] = {"conv1": ("stem", None)}
    before, units = 64, "stem"
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            name, out = f"layer{stage + 1}.{block}", f"stage{stage}"
            if block == 0:
                shapes[f"{name}.downsample"], wires[f"{name}.downsample"] = (4 * width, before, 1, 1), (out, units)
            shapes[f"{name}.conv1"], wires[f"{name}.conv1"] = (width, before, 1, 1), (f"{name}.a", units)
            shapes[f"{name}.conv2"], wires[f"{name}.conv2"] = (width, width, 3, 3), (f"{name}.b", f"{name}.a")
            shapes[f"{name}.conv3"], wires[f"{name}.conv3"] = (4 * width, width, 1, 1), (out, f"{name}.b")
            before, units = 4 * width, out
    return shapes | {"fc": (1000, 2048)}, wires | {"fc": (None, units)}


def draw(seed: int, shapes: dict[str, tuple[int, ...]]) -> Net:
    rng = np.random.default_rng(seed)
    return {k: (0.05 * rng.standard_normal(s, dtype=np.float32)) for k, s in shapes.items()}


def moved(net: Net, wires: dict[str, tuple[str | None, str | None]]) -> Net:
    rng = np.random.default_rng(SEED)
    order = {u: rng.permutation(net[k].shape[0]) for k, (u, _) in wires.items() if u}
    scale = {u: rng.uniform(0.3, 3, len(p)).astype(np.float32) for u, p in order.items()}
    out = {}
    for name, x in net.items():
        made, used = wires[name]
        x = x if made is None else (x * scale[made].reshape(-1, *[1] * (x.ndim - 1)))[order[made]]
        out[name] = np.ascontiguousarray(x if used is None else x[:, order[used]])
    return out


def main() -> None:
    shapes, wires = resnet50()
    net = draw(1, shapes)
    cases: dict[str, Net] = {"re-ordered and rescaled": moved(net, wires), "stranger": draw(2, shapes), "itself": net}
    rows: list[dict[str, Any]] = []
    for case, other in cases.items():
        began, wall = time.process_time(), time.monotonic()
        c = compare(as_weights(net), as_weights(other))
        rows.append({
            "case": case, "cpu_seconds": time.process_time() - began, "wall_seconds": time.monotonic() - wall,
            "verdict": c.verdict, "log10_p": c.log10_p, "coverage": c.coverage, "reason": c.reason,
            "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        })  # fmt: skip
        print(rows[-1], file=sys.stderr, flush=True)
    header = [
        "25.5 million weights, one core",
        "CPU seconds",
        "verdict",
        "log10 p",
        "coverage",
        "peak memory so far, MB",
    ]
    cells = [
        [r["case"], r["cpu_seconds"], r["verdict"], r["log10_p"], r["coverage"], r["peak_megabytes"]] for r in rows
    ]
    record.write("verify_speed", rows, record.table(header, cells), seed=SEED)


if __name__ == "__main__":
    main()
