"""Function-preserving rearrangement of the stored bench nets, by hand-written wiring: hidden units permuted, scaled, turned.

The wiring is written down here, apart from the product, which infers none of it.

    python bench/verify_launder.py      # parents of the "rest" split on which nothing was chosen
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from bench import record
from bench.find_calibration import as_weights
from bench.population.index import Store
from whosenet.verify.compare import compare

Net = dict[str, np.ndarray]
Wires = dict[str, tuple[str | None, str | None]]
"""Tensor -> names of the units along its outputs and inputs; None where they are not hidden."""


def natural(name: str) -> list[object]:
    return [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)]


def sequential(net: Net) -> Wires:
    """Layers one after the other, in the order of their numbers ('head' last)."""
    names = sorted((k for k, v in net.items() if v.ndim > 1), key=lambda k: (k.startswith("head"), natural(k)))
    units = [None, *[f"u{i}" for i in range(1, len(names))], None]
    return {k: (units[i + 1], units[i]) for i, k in enumerate(names)}


def resnet(net: Net) -> Wires:
    wires: Wires = {"features.0.0.weight": ("s0", None)}
    before, stage = "s0", 0
    for block in sorted({k.split(".")[1] for k in net if ".first." in k}, key=int):
        base = f"features.{block}"
        if f"{base}.shortcut.0.weight" in net:
            stage += 1
            wires[f"{base}.shortcut.0.weight"] = (f"s{stage}", before)
        wires[f"{base}.first.0.weight"] = (f"b{block}", before)
        before = f"s{stage}"
        wires[f"{base}.second.0.weight"] = (before, f"b{block}")
    return wires | {"head.weight": (None, before)}


def mobilenet(net: Net) -> Wires:
    wires: Wires = {"features.0.0.weight": ("s0", None)}
    before = "s0"
    for block in sorted({k.split(".")[1] for k in net if ".expand." in k}, key=int):
        base, wide = f"features.{block}", f"w{block}"
        wires[f"{base}.expand.0.weight"] = (wide, before)
        wires[f"{base}.depthwise.0.weight"] = (wide, None)
        same = net[f"{base}.project.0.weight"].shape[0] == net[f"{base}.expand.0.weight"].shape[1]
        before = before if same and block != "2" and block not in ("3", "5") else f"s{block}"
        if block == "2":
            before = "s0"
        wires[f"{base}.project.0.weight"] = (before, wide)
    last = max((k.split(".")[1] for k in net if re.fullmatch(r"features\.\d+\.0\.weight", k)), key=int)
    return wires | {f"features.{last}.0.weight": ("last", before), "head.weight": (None, "last")}


WIRES: dict[str, Callable[[Net], Wires]] = {
    "lenet": sequential, "vgg": sequential, "resnet8": resnet, "resnet14": resnet, "mobilenetv2": mobilenet,
    "small": sequential, "large": sequential,
}  # fmt: skip


def launder(net: Net, arch: str, seed: int, *, scale: float = 3.0) -> Net:
    """The same function: units permuted; through ReLU (or batch norm) rescaled by up to `scale` where `arch` allows."""
    rng = np.random.default_rng([seed, 2026])
    wires = WIRES[arch](net)
    normed = any("running_var" in k for k in net)
    length = {u: net[k].shape[axis] for k, w in wires.items() for axis, u in enumerate(w) if u and axis == 0}
    order = {u: rng.permutation(n) for u, n in length.items()}
    factor = {u: np.exp(rng.uniform(-1, 1, n) * np.log(scale)) for u, n in length.items()}
    out = dict(net)
    for name, (made, used) in wires.items():
        out[name] = _move(net[name], made, used, order, factor, normed)
        for own in _vectors(net, name):
            if made:
                out[own] = _vector(net[own], own, order[made], factor[made], normed)
    return out


def _move(x, made, used, order, factor, normed):
    x = x.astype(np.float64)
    if made:
        x = (x * factor[made].reshape(-1, *[1] * (x.ndim - 1)))[order[made]]
    if used:
        n = len(order[used])
        blocks = x.reshape(len(x), n, -1)
        if not normed:
            blocks = blocks / factor[used][None, :, None]
        x = blocks[:, order[used]].reshape(x.shape)
    return x.astype(np.float32)


def _vectors(net: Net, kernel: str) -> list[str]:
    """Biases and batch norm of a kernel."""
    base = kernel.removesuffix(".weight")
    *before, last = base.rsplit(".", 1)
    norm = ".".join([*before, str(int(last) + 1)]) if last.isdigit() else ""
    wanted = [f"{base}.bias"] + [f"{norm}.{w}" for w in ("weight", "bias", "running_mean", "running_var") if norm]
    return [w for w in wanted if w in net and net[w].shape == net[kernel].shape[:1]]


def _vector(x, name, order, factor, normed):
    x = x.astype(np.float64)
    if name.endswith("running_mean") or (not normed and name.endswith("bias")):
        x = x * factor
    if name.endswith("running_var"):
        x = x * factor**2
    return x[order].astype(np.float32)


EDITS = ("", "noise-5", "noise-10", "prune-50", "int8-tensor", "int4-channel", "ftal-low", "ftal-10x", "lora-4", "transfer", "head-new",
         "prune-70")  # fmt: skip


def main() -> None:
    """Every stored parent, and edits of every fourth, rearranged: is it `derived`, at which p, how much is traced?"""
    store = Store()
    rows = []
    for r in store.models("library", split="rest"):
        if r["parent"] is not None or r["arch"] not in WIRES:
            continue
        parent = {k: v for k, v in Store.load(r).items() if v.dtype.kind == "f"}
        for edit in EDITS if r["seed"] % 4 == 1 else EDITS[:1]:
            copy = Store.load(store.records[f"{r['id']}+{edit}"]) if edit else parent
            copy = {k: v.astype(np.float32) for k, v in copy.items() if v.dtype.kind == "f"}
            began = time.process_time()
            c = compare(as_weights(parent), as_weights(launder(copy, r["arch"], r["seed"])))
            rows.append({
                "arch": r["arch"], "edit": edit or "rearranged alone", "verdict": c.verdict, "log10_p": c.log10_p,
                "coverage": c.coverage, "relation": c.relation, "seconds": time.process_time() - began, "id": r["id"],
            })  # fmt: skip
    record.write("verify_launder", rows, table(rows))


def table(rows: list[dict[str, Any]]) -> str:
    header = [
        "edit beside the rearrangement",
        "copies",
        "derived",
        "p <= 1e-12",
        "least coverage",
        "largest p",
        "not derived",
    ]
    lines = []
    for edit in dict.fromkeys(r["edit"] for r in rows):
        of = [r for r in rows if r["edit"] == edit]
        good = [r for r in of if r["verdict"] == "derived"]
        missed = Counter(r["arch"] for r in of if r["verdict"] != "derived")
        lines.append([
            edit, len(of), len(good), sum(r["log10_p"] <= -12 for r in good), min((r["coverage"] for r in good), default=None),
            f"1e{max(r['log10_p'] for r in of):.0f}", ", ".join(f"{n} {a}" for a, n in missed.items()),
        ])  # fmt: skip
    return record.table(header, lines)


if __name__ == "__main__":
    main()
