"""What every case is, good files of every format, and the pieces that bad ones are made of."""

from __future__ import annotations

import json
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SEED = 20260104
NASTY = "a\n\x1b[31mred\x1b[0m\r\x07\x9b2J[/bold]\u202e"
"""New line, ANSI colours, carriage return, bell, C1 control sequence, rich markup, right-to-left override."""
MARKER = "it-ran"


@dataclass(frozen=True)
class Case:
    """`make(folder)` writes the file and returns its path. `good`: it holds weights, and must be read unharmed."""

    name: str
    make: Callable[[Path], Path]
    good: bool = False
    quick: bool = True
    as_nobody: bool = False


CASES: list[Case] = []


def case(name: str, **how: Any) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    def keep(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
        CASES.append(Case(name, make, **how))
        return make

    return keep


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([SEED, seed]).normal(size=shape).astype(np.float32)


def safetensors(path: Path, tensors: dict[str, np.ndarray], header: Any = None, length: int | None = None) -> Path:
    """A safetensors file; `header` and `length` say something else than the truth."""
    at, true = 0, {}
    for name, array in tensors.items():
        true[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = header if isinstance(header, bytes) else json.dumps(header or true).encode()
    head = struct.pack("<Q", len(text) if length is None else length) + text
    path.write_bytes(head + b"".join(array.tobytes() for array in tensors.values()))
    return path


def net(seed: int = 0) -> dict[str, np.ndarray]:
    """Two matrices: enough for a code."""
    return {"one": numbers(96, 128, seed=seed), "two": numbers(64, 96, seed=seed + 1)}


def good_safetensors(path: Path, seed: int = 0) -> Path:
    return safetensors(path, net(seed))


def good_torch(path: Path, legacy: bool = False) -> Path:
    import torch

    tensors = {name: torch.from_numpy(array) for name, array in net().items()}
    torch.save(tensors, path, _use_new_zipfile_serialization=not legacy)
    return path


def good_npz(path: Path) -> Path:
    np.savez_compressed(path, **net())  # type: ignore[arg-type]
    return path


def good_h5(path: Path) -> Path:
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in net().items():
            file[f"model_weights/{name}/kernel:0"] = array
    return path


def good_keras(path: Path) -> Path:
    inner = good_h5(path.with_suffix(".inner"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.write(inner, "model.weights.h5")
    inner.unlink()
    return path


def good_gguf(path: Path) -> Path:
    import gguf

    writer = gguf.GGUFWriter(path, "llama")
    for name, array in net().items():
        writer.add_tensor(name, array)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return path


def onnx_model(path: Path, tensors: list[Any]) -> Path:
    from onnx import helper

    model = helper.make_model(helper.make_graph([], "g", [], [], initializer=tensors))
    path.write_bytes(model.SerializeToString())
    return path


def good_onnx(path: Path) -> Path:
    from onnx import numpy_helper

    return onnx_model(path, [numpy_helper.from_array(array, name) for name, array in net().items()])


def good_tflite(path: Path) -> Path:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests/weights"))
    from test_tflite import FLOAT, make  # type: ignore[import-not-found]

    tensors = [{"name": n, "type": FLOAT, "shape": a.shape, "data": a.tobytes()} for n, a in net().items()]
    path.write_bytes(make(tensors))
    return path


GOOD: dict[str, Callable[[Path], Path]] = {
    "m.safetensors": good_safetensors,
    "m.pt": good_torch,
    "legacy.pt": lambda path: good_torch(path, legacy=True),
    "m.npz": good_npz,
    "m.h5": good_h5,
    "m.keras": good_keras,
    "m.gguf": good_gguf,
    "m.onnx": good_onnx,
    "m.tflite": good_tflite,
}


def lie(shape: Any, span: Any = (0, 16)) -> dict[str, Any]:
    return {"w": {"dtype": "F32", "shape": shape, "data_offsets": span}}


def torch_tensor(shape: tuple[int, ...]) -> bytes:
    """Opcodes of one float32 tensor over storage 0."""

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def numbers(*values: int) -> bytes:
        return b"(" + b"".join(pickle.dumps(v, 2)[2:-1] for v in values) + b"t"

    count = pickle.dumps(int(np.prod(shape, dtype=object)), 2)[2:-1]
    strides = [int(np.prod(shape[k + 1 :], dtype=object)) for k in range(len(shape))]
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + count + b"tQ"
    rest = b"K\0" + numbers(*shape) + numbers(*strides) + b"\x89ccollections\nOrderedDict\n)RtR"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + rest


def torch_pickle(tensors: dict[str, bytes]) -> bytes:
    items = (b"X" + struct.pack("<I", len(n.encode())) + n.encode() + body for n, body in tensors.items())
    return b"\x80\x02}(" + b"".join(items) + b"u."


def gguf_text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def gguf(path: Path, tensors: int, values: int, rest: bytes = b"") -> Path:
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, values) + rest + bytes(4096))
    return path
