"""The demo's weights in the formats people ship: each function writes one model, returns the path to give a verb."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.demo.nets import State

Arrays = Mapping[str, NDArray[Any]]
TYPES = {"float32": "F32", "float16": "F16"}


def replaced(path: Path, write: Callable[[Path], object]) -> Path:
    """Written beside, then moved: nobody ever reads half a model."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"part-{path.name}")
    write(part)
    part.replace(path)
    return path


def safetensors(path: Path, arrays: Arrays) -> Path:
    """8 bytes of length, a JSON header, the buffers one after another."""
    header, blocks, end = {}, [], 0
    for name, array in arrays.items():
        block = np.ascontiguousarray(array).tobytes()
        header[name] = {
            "dtype": TYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [end, end + len(block)],
        }
        blocks.append(block)
        end += len(block)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return replaced(path, lambda p: p.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blocks)))


def shards(folder: Path, arrays: Arrays, count: int = 3) -> Path:
    """A sharded checkpoint as model hubs keep them: its tensors dealt out to `count` files, and an index."""
    names = list(arrays)
    where = {n: f"model-{i % count + 1:05d}-of-{count:05d}.safetensors" for i, n in enumerate(names)}
    for shard in sorted(set(where.values())):
        safetensors(folder / shard, {n: arrays[n] for n in names if where[n] == shard})
    index = {"metadata": {"total_size": sum(a.nbytes for a in arrays.values())}, "weight_map": where}
    return replaced(folder / "model.safetensors.index.json", lambda p: p.write_text(json.dumps(index)))


def channels_last(state: State) -> State:
    """As TensorFlow stores weights: kernels HWIO, matrices [in, out], and the first dense layer reads channels last."""
    out = {}
    last_conv = max((n for n, v in state.items() if v.ndim == 4), default=None)
    for name, value in state.items():
        if value.ndim == 4:
            out[name] = value.transpose(2, 3, 1, 0)
        elif value.ndim == 2:
            out[name] = (
                _flat_channels_last(value, len(state[last_conv])) if name == "dense.weight" and last_conv else value
            ).T
        else:
            out[name] = value
    return out


def _flat_channels_last(matrix: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Columns from (channel, row, column) order to (row, column, channel)."""
    side = round((matrix.shape[1] / channels) ** 0.5)
    return matrix.reshape(len(matrix), channels, side, side).transpose(0, 2, 3, 1).reshape(len(matrix), -1)


def npz(path: Path, state: State) -> Path:
    """NumPy's archive of matrices [in, out] and kernels HWIO, without names that say anything."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **{f"arr_{i}": v for i, v in enumerate(channels_last(state).values())})

    return replaced(path, write)


def keras_h5(path: Path, state: State) -> Path:
    """The layout of Keras's `save_weights`: a group a layer, kernel:0 and bias:0 inside."""
    import h5py

    names = {"weight": "kernel:0", "bias": "bias:0"}

    def write(part: Path) -> None:
        with h5py.File(part, "w") as file:
            layers = list(dict.fromkeys(name.split(".")[0] for name in state))
            file.attrs["layer_names"] = [layer.encode() for layer in layers]
            for name, value in channels_last(state).items():
                layer, role = name.split(".")
                file.create_dataset(f"{layer}/{layer}/{names[role]}", data=value)
            for layer in layers:
                file[layer].attrs["weight_names"] = [f"{layer}/{n}".encode() for n in file[layer][layer]]

    return replaced(path, write)


def gguf(path: Path, state: State) -> Path:
    """Q8_0 (32 weights to a scale) where rows allow it, float16 for kernels, float32 for biases."""
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    def write(part: Path) -> None:
        writer = GGUFWriter(str(part), "digits")
        for name, value in state.items():
            if value.ndim == 2 and value.shape[1] % 32 == 0:
                packed = quants.quantize(np.ascontiguousarray(value), GGMLQuantizationType.Q8_0)
                writer.add_tensor(name, packed, raw_dtype=GGMLQuantizationType.Q8_0)
            else:
                writer.add_tensor(name, value.astype(np.float16 if value.ndim > 1 else np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    return replaced(path, write)


def checkpoint(path: Path, state: State) -> Path:
    """A PyTorch training checkpoint: the weights under `module.`, beside an epoch and an optimiser's momenta."""
    import torch

    tensors = {f"module.{k}": torch.from_numpy(v) for k, v in state.items()}
    momenta = {i: {"momentum_buffer": torch.randn_like(t)} for i, t in enumerate(tensors.values())}
    document = {"epoch": 20, "state_dict": tensors, "optimizer": {"state": momenta, "param_groups": [{"lr": 0.1}]}}
    return replaced(path, lambda p: torch.save(document, p))
