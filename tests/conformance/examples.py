"""How to write a small file of each format: what the laws for readers are tried on. A new format needs a line here."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import nets
import numpy as np
import pytest

Writer = Callable[[Path, nets.Net], None]
NET: nets.Net = {"a.weight": nets.net(1)["conv1.weight"], "b.weight": nets.net(2, {"b": (40, 7)})["b"]}


def _safetensors(path: Path, model: nets.Net) -> None:
    nets.save(path, model)


def _npz(path: Path, model: nets.Net) -> None:
    np.savez(path, **model)


def _torch(path: Path, model: nets.Net, new: bool) -> None:
    torch = pytest.importorskip("torch")
    held = {k: torch.from_numpy(v.copy()) for k, v in model.items()}
    torch.save(held, path, _use_new_zipfile_serialization=new)


def _onnx(path: Path, model: nets.Net) -> None:
    onnx = pytest.importorskip("onnx")
    held = [onnx.numpy_helper.from_array(v, k) for k, v in model.items()]
    graph = onnx.helper.make_graph([], "g", [], [], held)
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())


def _keras(path: Path, model: nets.Net) -> None:
    h5py = pytest.importorskip("h5py")
    inner = path.with_suffix(".h5") if path.suffix == ".keras" else path
    with h5py.File(inner, "w") as file:
        for name, array in model.items():
            file[f"layers/{name}/vars/0"] = array
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("metadata.json", "{}")
            archive.write(inner, "model.weights.h5")
        inner.unlink()


def _gguf(path: Path, model: nets.Net) -> None:
    gguf = pytest.importorskip("gguf")
    writer = gguf.GGUFWriter(path, "llama")
    for name, array in model.items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tflite(path: Path, model: nets.Net) -> None:
    tflite = pytest.importorskip("tflite")
    flatbuffers = pytest.importorskip("flatbuffers")
    b = flatbuffers.Builder(1024)
    buffers = [_tflite_buffer(b, tflite, data) for data in (b"", *(v.tobytes() for v in model.values()))]
    tensors = [_tflite_tensor(b, tflite, name, v, i) for i, (name, v) in enumerate(model.items(), start=1)]
    tensors_at = _vector(b, tensors)
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensors_at)
    graphs_at = _vector(b, [tflite.SubGraphEnd(b)])
    buffers_at = _vector(b, buffers)
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddSubgraphs(b, graphs_at)
    tflite.ModelAddBuffers(b, buffers_at)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    path.write_bytes(bytes(b.Output()))


def _tflite_buffer(b, tflite, data: bytes) -> int:  # type: ignore[no-untyped-def]
    vector = b.CreateByteVector(data) if data else None
    tflite.BufferStart(b)
    if vector is not None:
        tflite.BufferAddData(b, vector)
    return int(tflite.BufferEnd(b))


def _tflite_tensor(b, tflite, name: str, array: np.ndarray, buffer: int) -> int:  # type: ignore[no-untyped-def]
    called, shape = b.CreateString(name), b.CreateNumpyVector(np.array(array.shape, np.int32))
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, shape)
    tflite.TensorAddType(b, 0)
    tflite.TensorAddBuffer(b, buffer)
    tflite.TensorAddName(b, called)
    return int(tflite.TensorEnd(b))


def _vector(b, items: list[int]) -> int:  # type: ignore[no-untyped-def]
    b.StartVector(4, len(items), 4)
    for item in reversed(items):
        b.PrependUOffsetTRelative(item)
    return int(b.EndVector())


EXAMPLES: dict[str, dict[str, Writer]] = {
    "safetensors": {".safetensors": _safetensors},
    "npz": {".npz": _npz},
    "torch_zip": {".pt": lambda path, model: _torch(path, model, True)},
    "torch_legacy": {".pth": lambda path, model: _torch(path, model, False)},
    "onnx": {".onnx": _onnx},
    "keras": {".h5": _keras, ".keras": _keras},
    "tflite": {".tflite": _tflite},
    "gguf": {".gguf": _gguf},
}
"""format -> file name ending -> writer of float32 tensors."""
KINDS = [(name, suffix) for name, writers in EXAMPLES.items() for suffix in writers]


def write(folder: Path, name: str, suffix: str, model: nets.Net = NET) -> Path:
    path = folder / f"{name}{suffix}"
    EXAMPLES[name][suffix](path, model)
    return path
