"""Broken files and files that lie about themselves: cut, empty, of no format, impossible shapes, odd numbers."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np

from bad_files.made import (
    GOOD,
    SEED,
    case,
    gguf,
    gguf_text,
    lie,
    net,
    numbers,
    onnx_model,
    safetensors,
    torch_pickle,
    torch_tensor,
)


def _truncated(name: str) -> None:
    @case(f"truncated: {name}")
    def make(folder: Path) -> Path:
        path = GOOD[name](folder / name)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        return path


def _only(name: str, what: str, body: bytes) -> None:
    @case(f"{what}: {name}")
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(body)
        return folder / name


for _name in GOOD:
    _truncated(_name)
for _name in (*GOOD, "m.npy", "m.bin", "m.safetensors.index.json"):
    _only(_name, "empty", b"")
    _only(_name, "wrong magic", np.random.default_rng(SEED).bytes(4096))


@case("header of 2^60 bytes")
def header_length(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", net(), length=1 << 60)


@case("shape overflows: safetensors")
def overflow_safetensors(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", net(), header=lie([1 << 62, 1 << 62]))


@case("shape overflows to a small product: safetensors")
def overflow_wraps(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", net(), header=lie([1 << 32, 1 << 32, 4]))


@case("shape overflows: torch zip")
def overflow_torch(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "m.pt", "w") as archive:
        archive.writestr("a/data.pkl", torch_pickle({"w": torch_tensor((1 << 62, 1 << 62))}))
        archive.writestr("a/data/0", bytes(16))
    return folder / "m.pt"


@case("shape overflows: .npy")
def overflow_npy(folder: Path) -> Path:
    head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }"
    (folder / "m.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(64))
    return folder / "m.npy"


@case("shape overflows: ONNX")
def overflow_onnx(folder: Path) -> Path:
    from onnx import TensorProto

    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 62, 1 << 62], raw_data=bytes(16))
    return onnx_model(folder / "m.onnx", [tensor])


@case("shape overflows: GGUF")
def overflow_gguf(folder: Path) -> Path:
    entry = gguf_text(b"w") + struct.pack("<IQQIQ", 2, 1 << 62, 1 << 62, 0, 0)
    return gguf(folder / "m.gguf", 1, 0, entry)


@case("shape overflows: .h5 of 2^38 numbers, none stored")
def overflow_h5(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "m.h5", "w") as file:
        file.create_dataset("w", (1 << 19, 1 << 19), np.float32, chunks=(1024, 1024), compression="gzip")
    return folder / "m.h5"


@case("GGUF of 2^63 tensors")
def gguf_tensors(folder: Path) -> Path:
    return gguf(folder / "m.gguf", 1 << 63, 0)


@case("GGUF of 2^63 values")
def gguf_values(folder: Path) -> Path:
    return gguf(folder / "m.gguf", 0, 1 << 63)


@case("GGUF array of 2^63 strings")
def gguf_strings(folder: Path) -> Path:
    return gguf(folder / "m.gguf", 0, 1, gguf_text(b"k") + struct.pack("<IIQ", 9, 8, 1 << 63))


def _bad_numbers(value: float, share: str) -> None:
    @case(f"{value} weights, {share}", good=share == "a few")
    def make(folder: Path) -> Path:
        tensors = net()
        if share == "all":
            tensors = {name: np.full_like(array, value) for name, array in tensors.items()}
        else:
            tensors["three"] = numbers(64, 64)
            tensors["three"][5, 7:40] = value
        return safetensors(folder / "m.safetensors", tensors)


for _value in (np.nan, np.inf, -np.inf):
    _bad_numbers(_value, "all")
    _bad_numbers(_value, "a few")


@case("numbers so large that sums overflow", good=True)
def large(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", net() | {"large": numbers(64, 64) * np.float32(3e37)})
