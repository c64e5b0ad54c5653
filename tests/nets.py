"""Small nets for the tests: random, trained, edited; in memory and as files."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from whosenet.weights.base import Tensor, Weights

Net = dict[str, np.ndarray]
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
CNN = {"conv1.weight": (32, 3, 3, 3), "conv2.weight": (64, 32, 3, 3), "conv3.weight": (64, 64, 3, 3),
       "fc.weight": (10, 64)}  # fmt: skip
MLP = {"in.weight": (96, 64), "hidden.weight": (80, 96), "out.weight": (10, 80)}
CODES = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3",
         "float8_e5m2": "F8_E5M2", "int64": "I64", "int32": "I32", "int8": "I8", "uint8": "U8",
         "bool": "BOOL"}  # fmt: skip


def gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Student's t with four degrees of freedom."""
    return rng.standard_t(4, shape)


def low_rank(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Most of the energy in a few directions, as trained layers have it."""
    rows, columns = shape[0], int(np.prod(shape[1:]))
    rank = min(rows, columns, 8)
    common = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns)) / np.sqrt(rank)
    return (common + 0.5 * rng.standard_normal((rows, columns))).reshape(shape)


def net(seed: int | tuple[int, ...], shapes: Mapping[str, tuple[int, ...]] = CNN, draw: Draw = gaussian) -> Net:
    rng = np.random.default_rng(seed)
    return {name: (0.1 * draw(rng, shape)).astype(np.float32) for name, shape in shapes.items()}


def noisy(model: Net, share: float, seed: int = 99) -> Net:
    """Noise of `share` of each tensor's standard deviation."""
    rng = np.random.default_rng([seed, 31337])
    return {k: (v + share * v.std() * rng.standard_normal(v.shape)).astype(np.float32) for k, v in model.items()}


def pruned(model: Net, share: float) -> Net:
    return {k: np.where(np.abs(v) > np.quantile(np.abs(v), share), v, 0).astype(np.float32) for k, v in model.items()}


def int8(model: Net) -> Net:
    """Rounded to 8 bits a tensor, and back."""
    return {k: (np.round(v * (s := 127 / np.abs(v).max())) / s).astype(np.float32) for k, v in model.items()}


def rescaled(model: Net, seed: int = 5) -> Net:
    """Every output unit times a positive factor of its own, as folding batch norm does."""
    rng = np.random.default_rng(seed)
    factor = {k: rng.uniform(0.3, 3, (len(v), *[1] * (v.ndim - 1))) for k, v in model.items()}
    return {k: (v * factor[k]).astype(np.float32) for k, v in model.items()}


def rearranged(model: Net, seed: int = 6, *, permute: bool = True, scale: float = 1.0) -> Net:
    """Hidden units of a chain of layers [out, in, ...] in another order, times a factor of up to 2^scale, which the
    next layer takes back: with ReLUs between the layers, the same function."""
    rng = np.random.default_rng(seed)
    out, names = {k: v.astype(np.float64) for k, v in model.items()}, list(model)
    for one, after in zip(names, names[1:], strict=False):
        order = rng.permutation(len(out[one])) if permute else np.arange(len(out[one]))
        factor = 2.0 ** rng.uniform(-scale, scale, len(order))
        out[one] = out[one][order] * factor.reshape(-1, *[1] * (out[one].ndim - 1))
        out[after] = out[after][:, order] / factor.reshape(-1, *[1] * (out[after].ndim - 2))
    return {k: v.astype(np.float32) if scale == 0 else v for k, v in out.items()}


def tensor(array: Any, name: str = "w", trained: bool | None = None) -> Tensor:
    array = np.asarray(array)
    weight = array.dtype.kind not in "iub" if trained is None else trained
    return Tensor(name, array.shape, array.dtype.name, lambda a, b: array[a:b], weight)


def weights(arrays: Mapping[str, np.ndarray], name: str = "net", form: str = "memory") -> Weights:
    found = [tensor(a, n) for n, a in arrays.items()]
    return Weights(name, form, found, sum(a.nbytes for a in arrays.values()))


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    """A safetensors file, bf16 and fp8 included."""
    header, body = {}, bytearray()
    for name, array in arrays.items():
        raw = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": CODES[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [len(body), len(body) + len(raw)]}  # fmt: skip
        body += raw
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def save_shards(folder: Path, model: Net) -> Path:
    """One file a tensor and the index beside them; returns the index."""
    names = {}
    for number, (name, array) in enumerate(model.items()):
        names[name] = save(folder / f"model-{number}.safetensors", {name: array}).name
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    return index


def moved(model: Net, seed: int) -> Net:
    """The same tensors in another order, under other names, with axes transposed and axes of size one put in."""
    rng = np.random.default_rng(seed)
    out = {}
    for number in rng.permutation(len(model)):
        array = list(model.values())[number]
        array = np.ascontiguousarray(array.transpose(rng.permutation(array.ndim)))
        out[f"module.layer_{rng.integers(1 << 30)}.k"] = np.expand_dims(array, int(rng.integers(array.ndim + 1)))
    return out


def trained(seed: int, x: np.ndarray, y: np.ndarray, start: Net | None = None, epochs: int = 12) -> Net:
    """A perceptron with one hidden layer of 96 ReLUs and one of 80, trained by momentum SGD on x [n, 64], y [n]."""
    rng = np.random.default_rng(seed)
    start = start or {k: rng.standard_normal(s) * np.sqrt(2 / s[1]) for k, s in MLP.items()}
    w = [start[k].astype(np.float64) for k in MLP]
    speed = [np.zeros_like(v) for v in w]
    for _ in range(epochs * len(x) // 64):
        pick = rng.integers(0, len(x), 64)
        for v, step, gradient in zip(w, speed, _gradients(w, x[pick], y[pick]), strict=True):
            step *= 0.9
            step -= 0.05 * gradient
            v += step
    return {k: v.astype(np.float32) for k, v in zip(MLP, w, strict=True)}


def _gradients(w: list[np.ndarray], x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    a = np.maximum(x @ w[0].T, 0)
    b = np.maximum(a @ w[1].T, 0)
    logits = b @ w[2].T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    db = (p @ w[2]) * (b > 0)
    da = (db @ w[1]) * (a > 0)
    return [da.T @ x, db.T @ a, p.T @ b]


def half(model: Net, kind: Any = ml_dtypes.bfloat16) -> Net:
    return {k: v.astype(kind) for k, v in model.items()}
