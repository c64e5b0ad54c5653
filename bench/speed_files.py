"""Weight files of transformer-like shapes for the speed benches, written in little memory and deleted after use."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

SEED = 20260103
BLOCK = 1 << 24
"""Random numbers made once; tensors take consecutive runs of them, beginning over at the end."""


@dataclass(frozen=True)
class Shapes:
    vocabulary: int
    width: int
    inner: int
    layers: int

    def tensors(self) -> dict[str, tuple[int, ...]]:
        d, f = self.width, self.inner
        out: dict[str, tuple[int, ...]] = {"embed": (self.vocabulary, d)}
        for i in range(self.layers):
            out |= {f"layers.{i}.attention.{k}": (d, d) for k in "qkvo"}
            out |= {f"layers.{i}.mlp.up": (f, d), f"layers.{i}.mlp.gate": (f, d), f"layers.{i}.mlp.down": (d, f)}
            out |= {f"layers.{i}.norm.{k}": (d,) for k in ("1", "2")}
        return out | {"norm": (d,), "head": (self.vocabulary, d)}

    @property
    def weights(self) -> int:
        return sum(math.prod(shape) for shape in self.tensors().values())


def of_size(weights: float) -> Shapes:
    """Shapes of about so many weights: width 2048, as many layers as it takes."""
    none = Shapes(vocabulary=32_000, width=2048, inner=5632, layers=0)
    layer = replace(none, layers=1).weights - none.weights
    return replace(none, layers=max(1, round((weights - none.weights) / layer)))


class Numbers:
    """An endless supply of normal numbers of one dtype."""

    def __init__(self, dtype: Any) -> None:
        block = np.random.default_rng(SEED).normal(scale=0.02, size=BLOCK).astype(np.float32)
        self._block, self._at = (block * 2000 if dtype == np.int8 else block).astype(dtype), 0

    def runs(self, count: int) -> Iterator[np.ndarray]:
        while count > 0:
            part = self._block[self._at : self._at + count]
            self._at = (self._at + len(part)) % BLOCK
            count -= len(part)
            yield part

    def array(self, shape: tuple[int, ...]) -> np.ndarray:
        return np.concatenate(list(self.runs(math.prod(shape)))).reshape(shape)


DTYPES = {"F32": np.float32, "BF16": ml_dtypes.bfloat16, "F16": np.float16, "F8_E4M3": ml_dtypes.float8_e4m3fn}


@contextmanager
def safetensors(path: Path, shapes: Shapes, kind: str) -> Iterator[Path]:
    numbers, size, at = Numbers(DTYPES[kind]), np.dtype(DTYPES[kind]).itemsize, 0
    header: dict[str, Any] = {}
    for name, shape in shapes.tensors().items():
        stop = at + size * math.prod(shape)
        header[name], at = {"dtype": kind, "shape": shape, "data_offsets": [at, stop]}, stop
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for shape in shapes.tensors().values():
            for run in numbers.runs(math.prod(shape)):
                file.write(memoryview(run.view(np.uint8)))
    yield from _then_gone(path)


def _then_gone(path: Path) -> Iterator[Path]:
    try:
        yield path
    finally:
        path.unlink()


@contextmanager
def torch_zip(folder: Path, shapes: Shapes) -> Iterator[Path]:
    import torch

    numbers, path = Numbers(np.float32), folder / "m.pt"
    torch.save({name: torch.from_numpy(numbers.array(shape)) for name, shape in shapes.tensors().items()}, path)
    yield from _then_gone(path)


@contextmanager
def npz(folder: Path, shapes: Shapes) -> Iterator[Path]:
    numbers, path = Numbers(np.float32), folder / "m.npz"
    np.savez(path, **{name: numbers.array(shape) for name, shape in shapes.tensors().items()})
    yield from _then_gone(path)


@contextmanager
def h5(folder: Path, shapes: Shapes) -> Iterator[Path]:
    import h5py

    numbers, path = Numbers(np.float32), folder / "m.h5"
    with h5py.File(path, "w") as file:
        for name, shape in shapes.tensors().items():
            file[name.replace(".", "/") + "/w"] = numbers.array(shape)
    yield from _then_gone(path)


@contextmanager
def gguf_q4_k(folder: Path, shapes: Shapes) -> Iterator[Path]:
    """Matrices as random Q4_K blocks with sane scales, vectors as F32."""
    import gguf

    path, rng = folder / "m.gguf", np.random.default_rng(SEED)
    writer = gguf.GGUFWriter(path, "llama")
    vectors = Numbers(np.float32)
    for name, shape in shapes.tensors().items():
        if len(shape) == 1:
            writer.add_tensor(name, vectors.array(shape))
            continue
        blocks = rng.integers(0, 256, (shape[0], shape[1] // 256, 144), np.uint8)
        blocks[..., :4] = np.frombuffer(np.array([1e-3, 5e-3], np.float16).tobytes(), np.uint8)
        made = blocks.reshape(shape[0], -1)
        writer.add_tensor(name, made, raw_shape=made.shape, raw_dtype=gguf.GGMLQuantizationType.Q4_K)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    yield from _then_gone(path)


@contextmanager
def onnx_int8(folder: Path, shapes: Shapes) -> Iterator[Path]:
    """Per-channel int8 initialisers through DequantizeLinear."""
    import onnx
    from onnx import helper, numpy_helper

    numbers, path, graph = Numbers(np.int8), folder / "m.onnx", onnx.GraphProto(name="g")
    for name, shape in shapes.tensors().items():
        if len(shape) == 2:
            graph.initializer.append(numpy_helper.from_array(numbers.array(shape), name))
            graph.initializer.append(numpy_helper.from_array(np.full(shape[0], 5e-4, np.float32), f"{name}.scale"))
            inputs = [name, f"{name}.scale"]
            graph.node.append(helper.make_node("DequantizeLinear", inputs, [f"{name}.float"], axis=0))
    path.write_bytes(helper.make_model(graph).SerializeToString())
    yield from _then_gone(path)


def _stored(kind: str) -> Callable[[Path, Shapes], Any]:
    return lambda folder, shapes: safetensors(folder / "m.safetensors", shapes, kind)


FORMATS: dict[str, Callable[[Path, Shapes], Any]] = {
    "safetensors float32": _stored("F32"),
    "safetensors bfloat16": _stored("BF16"),
    "safetensors float16": _stored("F16"),
    "safetensors float8_e4m3fn": _stored("F8_E4M3"),
    "torch zip float32": torch_zip,
    "npz float32 (stored)": npz,
    "h5 float32 (contiguous)": h5,
    "ONNX int8, QDQ": onnx_int8,
    "GGUF Q4_K": gguf_q4_k,
}


def warm(path: Path) -> None:
    """Read the file once, so that its pages are cached."""
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(1 << 24)
        while file.readinto(buffer):
            pass
