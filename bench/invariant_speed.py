"""How long the invariant hash takes beside nts: on CNNs, and on a transformer of 7B shape that is streamed from memory.

    python bench/invariant_speed.py [--layers 32]      # one core; random weights; nothing is written to disk

Fewer layers are scaled up: all layers cost the same, and the peak of memory does not depend on their number.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import ml_dtypes
import numpy as np

from bench import record
from bench.find_calibration import as_weights
from bench.find_speed_hash import anonymous
from whosenet.hashes import attention, invariant
from whosenet.hashes.nts import NTS
from whosenet.weights.base import Tensor, Weights

SEED = 12
ROUNDS = 5
Shapes = dict[str, tuple[int, ...]]


def resnet20() -> Shapes:
    out: Shapes = {"stem": (16, 3, 3, 3)}
    before = 16
    for stage, width in enumerate((16, 32, 64)):
        for block in range(3):
            out |= {f"{stage}.{block}.a": (width, before, 3, 3), f"{stage}.{block}.b": (width, width, 3, 3)}
            before = width
    return out | {"head": (10, 64)}


def resnet50() -> Shapes:
    out: Shapes = {"stem": (64, 3, 7, 7)}
    before = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(blocks):
            at = f"{stage}.{block}"
            out |= {
                f"{at}.a": (width, before, 1, 1),
                f"{at}.b": (width, width, 3, 3),
                f"{at}.c": (4 * width, width, 1, 1),
            }
            out |= {f"{at}.d": (4 * width, before, 1, 1)} if block == 0 else {}
            before = 4 * width
    return out | {"head": (1000, 2048)}


def llama7b(layers: int, width: int = 4096, inner: int = 11008, vocabulary: int = 32_000) -> Shapes:
    out: Shapes = {"model.embed_tokens.weight": (vocabulary, width), "lm_head.weight": (vocabulary, width)}
    for i in range(layers):
        at = f"model.layers.{i}"
        out |= {f"{at}.self_attn.{x}_proj.weight": (width, width) for x in "qkvo"}
        out |= {f"{at}.mlp.{x}_proj.weight": (inner, width) for x in ("up", "gate")} | {
            f"{at}.mlp.down_proj.weight": (width, inner)
        }
    return out


def streamed(shapes: Shapes, kind: Any) -> Weights:
    """Tensors that read their rows from one block of random numbers, each beginning at another place."""
    block = np.random.default_rng(SEED).normal(scale=0.02, size=1 << 25).astype(kind)

    def tensor(number: int, name: str, shape: tuple[int, ...]) -> Tensor:
        row = int(np.prod(shape[1:]))

        def load(start: int, stop: int) -> np.ndarray:
            at = (np.arange(start, stop, dtype=np.int64)[:, None] * row + number * 7919) % (len(block) - row)
            return np.stack([block[a : a + row] for a in at.ravel()]).reshape(stop - start, *shape[1:])

        return Tensor(name, shape, np.dtype(kind).name, load)

    return Weights("memory", "memory", [tensor(i, *item) for i, item in enumerate(shapes.items())], 0)


def cnn(shapes: Shapes) -> dict[str, float]:
    weights = streamed(shapes, np.float32)
    weights = as_weights({t.name: np.asarray(t.raw()) for t in weights.tensors})
    out = {}
    for method in (NTS(), invariant.Invariant()):
        method.code(weights)
        out[method.name] = min(seconds(lambda m=method: m.code(weights)) for _ in range(ROUNDS))
    return {**out, "ratio": out["invariant"] / out["nts"], "parameters": weights.parameters}


def seconds(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


class Watch:
    """CPU seconds of each stage, its callees of other stages not counted, and the peak of anonymous memory between."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.peak, self.depth = 0, []

    def around(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            self.depth.append(0.0)
            began = time.process_time()
            try:
                return call(*args, **options)
            finally:
                took = time.process_time() - began
                self.spent[stage] += took - self.depth.pop()
                if self.depth:
                    self.depth[-1] += took
                self.peak = max(self.peak, anonymous())

        return timed


def transformer(layers: int) -> dict[str, Any]:
    watch, weights = Watch(), streamed(llama7b(layers), ml_dtypes.bfloat16)
    for place, name, stage in ((invariant, "balanced", "balance"), (invariant, "important", "threshold"),
                               (invariant, "coefficients", "Golub-Kahan"), (invariant, "unevenness", "kurtosis of units"),
                               (invariant, "stacked", "copy"), (attention, "_grouped", "products, grouping"),
                               (invariant, "image", "phase")):  # fmt: skip
        setattr(place, name, watch.around(stage, getattr(place, name)))
    real = attention.products
    invariant.products = lambda heads, turned: iter(
        watch.around("products of attention", lambda: list(real(heads, turned)))()
    )
    whole, wall = watch.around("reading and the rest", invariant.Invariant().code), time.perf_counter()
    code = whole(weights)
    wall = time.perf_counter() - wall
    each = sum(t.elements for t in weights.tensors if "layers" in t.name) / layers
    return {"layers": layers, "parameters": weights.parameters, "parameters_a_layer": each, "wall_s": wall, "cpu_s": sum(watch.spent.values()),
            "stages": dict(watch.spent), "peak_anonymous": watch.peak, "m_eff": code.m_eff}  # fmt: skip


def table(r: dict[str, Any]) -> str:
    rows = ["| CNN | parameters | nts, s | invariant, s | ratio |", "|---|---|---|---|---|"]
    rows += [
        f"| {k} | {int(v['parameters']):,} | {v['nts']:.4f} | {v['invariant']:.4f} | {v['ratio']:.1f} |"
        for k, v in r["cnn"].items()
    ]
    t = r["transformer"]
    up = 32 / t["layers"]
    rows += [
        "",
        f"| stage, 7B shape (bf16), {t['layers']} layers measured | CPU s | for 32 layers, s |",
        "|---|---|---|",
    ]
    rows += [f"| {k} | {v:.1f} | {v * up:.0f} |" for k, v in sorted(t["stages"].items(), key=lambda x: -x[1])]
    rows += [f"| all | {t['cpu_s']:.1f} | {t['cpu_s'] * up:.0f} |", "",
             f"Peak of anonymous memory {t['peak_anonymous'] / 1e6:.0f} MB. CPU seconds on one core; vocabularies are left out (LARGEST)."]  # fmt: skip
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=32)
    layers = parser.parse_args().layers
    results = {"cnn": {"ResNet-20": cnn(resnet20()), "ResNet-50": cnn(resnet50())}, "transformer": transformer(layers)}
    record.write("invariant_speed", results, table(results), seed=SEED)


if __name__ == "__main__":
    main()
