"""Paths that are no readable file, and files that point at other files."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import numpy as np

from bad_files.made import case, good_h5, good_safetensors, onnx_model


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
