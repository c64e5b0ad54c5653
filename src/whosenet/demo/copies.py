"""Copies of a net, as they turn up: each edit writes a file and says how well the copy still works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from whosenet.demo import files
from whosenet.demo.nets import Digits, Net, State, accuracy, fine_tune
from whosenet.demo.onnx_export import file_accuracy, onnx_model

Made = tuple[Path, float]
Edit = Callable[[Net, Digits, Path], Made]
"""Net, data, path without an ending -> the file written and its accuracy."""


@dataclass(frozen=True)
class Copy:
    edit: str
    """What was done, in words."""
    path: Path
    accuracy: float


def make(owner: Net, data: Digits, folder: Path) -> Iterator[Copy]:
    """Every edit of EDITS on one owner's net, written into the folder."""
    for slug, (words, edit) in EDITS.items():
        path, right = edit(owner, data, folder / f"{owner.arch}-{slug}")
        yield Copy(words, path, right)


def _named(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)


def tuned(owner: Net, data: Digits, stem: Path) -> Made:
    net = fine_tune(owner, data, order=101)
    return files.safetensors(_named(stem, ".safetensors"), net.state), net.accuracy


def new_head(owner: Net, data: Digits, stem: Path) -> Made:
    net = fine_tune(owner, data, order=102, classes=2)
    return files.safetensors(_named(stem, ".safetensors"), net.state), net.accuracy


def pruned(owner: Net, data: Digits, stem: Path, *, share: float = 0.5) -> Made:
    state = {k: _without_smallest(v, share) if v.ndim > 1 else v for k, v in owner.state.items()}
    return files.safetensors(_named(stem, ".safetensors"), state), accuracy(owner.arch, state, data)


def _without_smallest(value: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    return np.where(np.abs(value) > np.quantile(np.abs(value), share), value, np.float32(0))


def half(owner: Net, data: Digits, stem: Path) -> Made:
    state = {k: v.astype(np.float16) for k, v in owner.state.items()}
    back = {k: v.astype(np.float32) for k, v in state.items()}
    return files.safetensors(_named(stem, ".safetensors"), state), accuracy(owner.arch, back, data)


def exported(owner: Net, data: Digits, stem: Path, *, int8: bool) -> Made:
    path = onnx_model(_named(stem, ".onnx"), owner.arch, owner.state, int8=int8)
    return path, file_accuracy(path, data)


def renamed(owner: Net, data: Digits, stem: Path) -> Made:
    """Names that say nothing, tensors from last to first."""
    state = {f"t{i:02d}": v for i, v in enumerate(reversed(owner.state.values()))}
    return files.safetensors(_named(stem, ".safetensors"), state), owner.accuracy


def sharded(owner: Net, data: Digits, stem: Path) -> Made:
    return files.shards(stem, owner.state), owner.accuracy


def saved(owner: Net, data: Digits, stem: Path, *, write: Callable[[Path, State], Path], ending: str) -> Made:
    """Another container: the same numbers, so the same accuracy (to the rounding of the container)."""
    return write(_named(stem, ending), owner.state), owner.accuracy


EDITS: dict[str, tuple[str, Edit]] = {
    "fine-tuned": ("fine-tuned on new data", tuned),
    "pruned": ("half of the weights pruned", pruned),
    "int8": ("int8, exported to ONNX", partial(exported, int8=True)),
    "fp16": ("cast to float16", half),
    "export": ("exported to ONNX", partial(exported, int8=False)),
    "renamed": ("tensors renamed and re-ordered", renamed),
    "sharded": ("re-sharded into three files", sharded),
    "new-head": ("head replaced, new task", new_head),
    "checkpoint": ("inside a PyTorch training checkpoint", partial(saved, write=files.checkpoint, ending=".pt")),
    "arrays": ("NumPy archive, transposed, no names", partial(saved, write=files.npz, ending=".npz")),
    "keras": ("converted to Keras, channels last", partial(saved, write=files.keras_h5, ending=".h5")),
    "gguf": ("converted to GGUF, 8 bits", partial(saved, write=files.gguf, ending=".gguf")),
}
