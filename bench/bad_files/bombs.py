"""Small files that unfold into large or deep or many things."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np

from bad_files.made import case, net, safetensors, torch_pickle, torch_tensor


def _bomb_npz(name: str, shape: tuple[int, ...]) -> None:
    @case(f"zip bomb: .npz of 3 GB of zeros, {name}", quick=False)
    def make(folder: Path) -> Path:
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
        with (
            zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open("w.npy", "w", force_zip64=True) as file,
        ):
            file.write(head.getvalue())
            for _ in range(768):
                file.write(bytes(1 << 22))
        return folder / "bomb.npz"


_bomb_npz("many rows", (768 << 8, 4096))
_bomb_npz("one row", (1, 768 << 8, 4096))
_bomb_npz("two rows", (2, 384 << 8, 4096))


def _zip_of_zeros(path: Path, member: str, others: dict[str, bytes], blocks: int = 256) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, body in others.items():
            archive.writestr(name, body)
        with archive.open(member, "w", force_zip64=True) as file:
            for _ in range(blocks):
                file.write(bytes(1 << 22))
    return path


@case("zip bomb: .pt storage of 1 GB of zeros", quick=False)
def bomb_torch(folder: Path) -> Path:
    body = torch_pickle({"w": torch_tensor((1 << 14, 1 << 14))})
    return _zip_of_zeros(folder / "bomb.pt", "a/data/0", {"a/data.pkl": body})


@case("zip bomb: .pt pickle of 1 GB", quick=False)
def bomb_pickle(folder: Path) -> Path:
    return _zip_of_zeros(folder / "bomb.pt", "a/data.pkl", {"a/data/0": bytes(16)})


@case("zip bomb: .keras of 1 GB of zeros", quick=False)
def bomb_keras(folder: Path) -> Path:
    return _zip_of_zeros(folder / "bomb.keras", "model.weights.h5", {"config.json": b"{}"})


@case("zip bomb: .h5, gzip of 4 GB of zeros", quick=False)
def bomb_h5(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "bomb.h5", "w") as file:
        w = file.create_dataset("w", (1 << 15, 1 << 15), np.float32, chunks=(256, 1 << 15), compression="gzip")
        for row in range(0, 1 << 12, 256):
            w[row : row + 256] = 0
    return folder / "bomb.h5"


@case("zip bomb: .h5, gzip of 4 GB of zeros in one row", quick=False)
def bomb_row(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "bomb.h5", "w") as file:
        w = file.create_dataset("w", (1, 1 << 15, 1 << 15), np.float32, chunks=(1, 256, 1 << 15), compression="gzip")
        for row in range(0, 1 << 13, 256):
            w[:, row : row + 256] = 0
    return folder / "bomb.h5"


@case("protobuf nested 20,000 deep")
def nested_protobuf(folder: Path) -> Path:
    def field(number: int, body: bytes) -> bytes:
        size, length = len(body), b""
        while size > 127:
            length, size = length + bytes([size & 127 | 128]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + body

    graph = b""
    for _ in range(20_000):
        graph = field(1, field(4, b"If") + field(5, field(1, b"then_branch") + field(6, graph)))[-(1 << 20) :]
    (folder / "m.onnx").write_bytes(b"\x08\x0a" + field(7, graph))
    return folder / "m.onnx"


@case("JSON nested 100,000 deep: safetensors")
def nested_json(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", net(), header=b'{"w":' * 100_000)


@case("JSON nested 100,000 deep: shard index")
def nested_index(folder: Path) -> Path:
    (folder / "m.safetensors.index.json").write_bytes(b'{"weight_map":' * 100_000)
    return folder / "m.safetensors.index.json"


@case("pickle nested 300,000 deep")
def nested_pickle(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "m.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02" + b"]" * 300_000 + b"a" * 299_999 + b".")
    return folder / "m.pt"


def tiny(folder: Path, count: int) -> Path:
    header = {str(i): {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i in range(count)}
    return safetensors(folder / "m.safetensors", {"data": np.zeros(count, np.float32)}, header=header)


@case("1,000,000 tiny tensors: safetensors", quick=False)
def many_safetensors(folder: Path) -> Path:
    return tiny(folder, 1_000_000)


@case("300,000 tiny tensors: safetensors, under every limit", quick=False)
def many_allowed(folder: Path) -> Path:
    return tiny(folder, 300_000)


@case("1,000,000 tiny tensors: torch zip", quick=False)
def many_torch(folder: Path) -> Path:
    one = torch_tensor((2, 2))
    with zipfile.ZipFile(folder / "m.pt", "w") as archive:
        with archive.open("a/data.pkl", "w") as file:
            file.write(b"\x80\x02}(")
            for i in range(1_000_000):
                name = str(i).encode()
                file.write(b"X" + struct.pack("<I", len(name)) + name + one)
            file.write(b"u.")
        archive.writestr("a/data/0", bytes(16))
    return folder / "m.pt"


@case("1,000,000 tiny tensors: ONNX", quick=False)
def many_onnx(folder: Path) -> Path:
    one = b"\x2a\x0e" + b"\x08\x02\x08\x02\x10\x01" + b"\x42\x01w" + b"\x4a\x03abc"
    body = one * 1_000_000
    size = len(body)
    length = b"".join(bytes([size >> 7 * k & 127 | (128 if k < 4 else 0)]) for k in range(5))
    (folder / "m.onnx").write_bytes(b"\x08\x0a\x3a" + length + body)
    return folder / "m.onnx"
