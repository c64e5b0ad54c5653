"""Damaged and hostile weight files, one function each: what `whosenet` must refuse in a line, or read unharmed."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
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
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/weights"))
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


class Trap:
    """Unpickled, it makes the marker file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.marker}",))


@case("pickle that runs code: torch zip")
def trap_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "m.pt", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(Trap(folder / MARKER), 2))
    return folder / "m.pt"


@case("pickle that runs code: torch legacy")
def trap_legacy(folder: Path) -> Path:
    parts = [0x1950A86A20F9469CFC6C, 1001, {}, Trap(folder / MARKER), []]
    (folder / "m.pth").write_bytes(b"".join(pickle.dumps(part, 2) for part in parts))
    return folder / "m.pth"


@case("pickle that runs code: beside good weights", good=True)
def trap_beside(folder: Path) -> Path:
    import torch

    weights = {name: torch.from_numpy(array) for name, array in net().items()}
    torch.save({"state_dict": weights, "extra": Trap(folder / MARKER)}, folder / "m.pt")
    return folder / "m.pt"


@case("pickle that runs code: bare pickle named .bin")
def trap_bare(folder: Path) -> Path:
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(folder / MARKER)))
    return folder / "pytorch_model.bin"


@case("pickle that runs code: object array in .npz")
def trap_npz(folder: Path) -> Path:
    np.savez(folder / "m.npz", w=np.array([Trap(folder / MARKER)], dtype=object))
    return folder / "m.npz"


@case("symlink loop: file")
def loop(folder: Path) -> Path:
    (folder / "a.safetensors").symlink_to(folder / "b.safetensors")
    (folder / "b.safetensors").symlink_to(folder / "a.safetensors")
    return folder / "a.safetensors"


@case("symlink loop: folder that holds itself")
def loop_folder(folder: Path) -> Path:
    (folder / "models").mkdir()
    (folder / "models/again").symlink_to(folder / "models")
    return folder / "models"


def lie(shape: Any, span: Any = (0, 16)) -> dict[str, Any]:
    return {"w": {"dtype": "F32", "shape": shape, "data_offsets": span}}


@case("shape overflows: safetensors")
def overflow_safetensors(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", net(), header=lie([1 << 62, 1 << 62]))


@case("shape overflows to a small product: safetensors")
def overflow_wraps(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", net(), header=lie([1 << 32, 1 << 32, 4]))


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


def _text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def gguf(path: Path, tensors: int, values: int, rest: bytes = b"") -> Path:
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, values) + rest + bytes(4096))
    return path


@case("shape overflows: GGUF")
def overflow_gguf(folder: Path) -> Path:
    entry = _text(b"w") + struct.pack("<IQQIQ", 2, 1 << 62, 1 << 62, 0, 0)
    return gguf(folder / "m.gguf", 1, 0, entry)


@case("shape overflows: .h5 of 2^38 numbers, none stored")
def overflow_h5(folder: Path) -> Path:
    import h5py

    with h5py.File(folder / "m.h5", "w") as file:
        file.create_dataset("w", (1 << 19, 1 << 19), np.float32, chunks=(1024, 1024), compression="gzip")
    return folder / "m.h5"


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


@case("FIFO")
def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "m.safetensors")
    return folder / "m.safetensors"


@case("device that never ends")
def device(folder: Path) -> Path:
    (folder / "m.safetensors").symlink_to("/dev/zero")
    return folder / "m.safetensors"


@case("socket")
def listening(folder: Path) -> Path:
    here = Path.cwd()
    os.chdir(folder)  # a socket's path may have 108 bytes only
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("m.safetensors")
    os.chdir(here)
    return folder / "m.safetensors"


@case("no such file")
def missing(folder: Path) -> Path:
    return folder / "missing.safetensors"


@case("name too long for any file")
def too_long(folder: Path) -> Path:
    return folder / ("m" * 5000 + ".safetensors")


@case("folder without models")
def barren(folder: Path) -> Path:
    (folder / "models").mkdir()
    (folder / "models/readme.txt").write_text("nothing here")
    return folder / "models"


@case("no permission: file", as_nobody=True)
def closed(folder: Path) -> Path:
    good_safetensors(folder / "m.safetensors").chmod(0)
    return folder / "m.safetensors"


@case("no permission: folder", as_nobody=True)
def closed_folder(folder: Path) -> Path:
    (folder / "models").mkdir()
    path = good_safetensors(folder / "models/m.safetensors")
    (folder / "models").chmod(0)
    return path


def _index(name: str, shard: str) -> None:
    @case(f"shard index that names {name}")
    def make(folder: Path) -> Path:
        (folder / "models").mkdir()
        good_safetensors(folder / "secret.safetensors")
        path = folder / "models/m.safetensors.index.json"
        path.write_text(json.dumps({"weight_map": {"one": shard.format(folder=folder)}}))
        return path


_index("a file above its folder", "../secret.safetensors")
_index("an absolute path", "{folder}/secret.safetensors")
_index("a missing shard", "missing.safetensors")
_index("itself", "m.safetensors.index.json")


def _external(name: str, location: str) -> None:
    @case(f"ONNX external data in {name}")
    def make(folder: Path) -> Path:
        from onnx import TensorProto

        tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[16, 16], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=location)
        (folder / "zero.bin").symlink_to("/dev/zero")
        return onnx_model(folder / "m.onnx", [tensor])


_external("/etc/passwd", "/etc/passwd")
_external("a folder above", "../../etc/passwd")
_external("a device, by a link", "zero.bin")


@case("h5 link into another file")
def external_link(folder: Path) -> Path:
    import h5py

    good_h5(folder / "secret.h5")
    with h5py.File(folder / "m.h5", "w") as file:
        file["model_weights"] = h5py.ExternalLink(str(folder / "secret.h5"), "/model_weights")
    return folder / "m.h5"


@case("h5 numbers stored in another file")
def external_storage(folder: Path) -> Path:
    import h5py

    good_h5(folder / "secret.h5")
    with h5py.File(folder / "m.h5", "w") as file:
        file.create_dataset("w", (16, 16), np.float32, external=[(str(folder / "secret.h5"), 0, 1024)])
    return folder / "m.h5"


@case("GGUF of 2^63 tensors")
def gguf_tensors(folder: Path) -> Path:
    return gguf(folder / "m.gguf", 1 << 63, 0)


@case("GGUF of 2^63 values")
def gguf_values(folder: Path) -> Path:
    return gguf(folder / "m.gguf", 0, 1 << 63)


@case("GGUF array of 2^63 strings")
def gguf_strings(folder: Path) -> Path:
    return gguf(folder / "m.gguf", 0, 1, _text(b"k") + struct.pack("<IIQ", 9, 8, 1 << 63))


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


@case("tensor names with control characters, in a good file", good=True)
def nasty_tensors(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", {f"{i}{NASTY}": array for i, array in enumerate(net().values())})


@case("tensor names with control characters, in a bad file")
def nasty_lie(folder: Path) -> Path:
    header = {NASTY: lie([1 << 62, 1 << 62])["w"]}
    return safetensors(folder / "m.safetensors", net(), header=header)


@case("type name with control characters")
def nasty_type(folder: Path) -> Path:
    header = {"w": {"dtype": NASTY, "shape": [4], "data_offsets": [0, 16]}}
    return safetensors(folder / "m.safetensors", net(), header=header)


@case("shard names with control characters")
def nasty_shard(folder: Path) -> Path:
    path = folder / "m.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": {"w": NASTY}}))
    return path


@case("JSON key with control characters, twice")
def nasty_json(folder: Path) -> Path:
    return safetensors(folder / "m.safetensors", net(), header=b'{"\x1b[31m": 1, "\x1b[31m": 2}')


@case("pickled class with control characters in its name")
def nasty_class(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "m.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02c\x1b[31mtorch\n\x1b[2Jx\n)R.")
    return folder / "m.pt"


@case("file name with control characters, bad file")
def nasty_name(folder: Path) -> Path:
    path = folder / (NASTY.replace("/", "") + ".safetensors")
    path.write_bytes(b"garbage" * 9)
    return path


@case("file name with control characters, good file", good=True)
def nasty_good_name(folder: Path) -> Path:
    return good_safetensors(folder / (NASTY.replace("/", "") + ".safetensors"))


@case("file name that is no UTF-8, bad file")
def no_text(folder: Path) -> Path:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.safetensors"))
    path.write_bytes(b"garbage" * 9)
    return path


@case("file name that is no UTF-8, good file", good=True)
def no_text_good(folder: Path) -> Path:
    return good_safetensors(Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.safetensors")))
