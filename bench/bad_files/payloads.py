"""Pickles that would run code."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from bad_files.made import MARKER, case, net


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
