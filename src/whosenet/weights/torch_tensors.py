"""From PyTorch's strided views of storages to tensors: bounds checked when opened, bytes viewed when read."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile, WhosenetWarning
from whosenet.weights.base import MAX_NAME, MAX_TENSORS, Tensor, check_shape
from whosenet.weights.torch_objects import DTYPES, StorageRef, TensorRef

MAX_CHANNELS = 1 << 24
MAX_REUSE = 64
FREE_BYTES = 1 << 26
LEAST = 1 << 12
"""All tensors together may describe 64 times the bytes of the file (plus 64 MB), each counted as 4 KB at least: shared
storages are honest, a file of 1 MB that describes 10 TB or a million names is not."""


@dataclass(frozen=True)
class Record:
    """The bytes behind a storage: how many there are, and a view of any range of them."""

    size: int
    view: Callable[[int, int], memoryview]


Records = Callable[[str], "Record | None"]


def tensors(found: Iterable[tuple[str, TensorRef]], records: Records, file: str, size: int, big: bool = False,
            ) -> list[Tensor]:  # fmt: skip
    """Tensors for what `named_tensors` found in `file` of `size` bytes; `big` if the storages are big-endian.

    Warns of tensors left out because no real number stands for their elements (complex, sparse, packed below a byte).
    """
    made: list[Tensor] = []
    skipped: dict[str, int] = {}
    budget = MAX_REUSE * size + FREE_BYTES
    for name, ref in found:
        if ref.storage is None or ref.dtype not in DTYPES:
            skipped[ref.dtype] = skipped.get(ref.dtype, 0) + 1
            continue
        made.append(_Strided(ref, records, file, big).tensor(name))
        budget -= max(LEAST, made[-1].elements * np.dtype(DTYPES[ref.dtype]).itemsize)
        if budget < 0 or len(made) > MAX_TENSORS:
            raise MalformedFile(file, "describes far more weights than it has bytes; refused")
    if skipped:
        kinds = ", ".join(f"{count} of {dtype[:40]!r}" for dtype, count in list(skipped.items())[:5])
        why = f"{file}: left out tensors that are no plain real numbers: {kinds}"
        warnings.warn(why, WhosenetWarning, stacklevel=2)
    return _without_module(made)


def _without_module(made: list[Tensor]) -> list[Tensor]:
    if made and all(t.name.startswith("module.") for t in made):
        return [replace(t, name=t.name.removeprefix("module.")) for t in made]
    return made


class _Strided:
    """One TensorRef over its record. Indices are checked once, here, against both the storage's claim and its bytes."""

    def __init__(self, ref: TensorRef, records: Records, file: str, big: bool) -> None:
        assert ref.storage is not None
        self._ref, self._records, self._file, self._big = ref, records, file, big
        self._dtype = np.dtype(DTYPES[ref.dtype])
        self._shape = check_shape(file, ref.dtype, ref.shape) or (1,)
        self._stride = ref.stride or (1,)
        record = records(ref.storage.key)
        if record is None:
            raise MalformedFile(file, f"lacks the storage {ref.storage.key[:80]!r}; fetch it again")
        self._record, self._start = record, _start(ref.storage, np.dtype(DTYPES.get(ref.storage.dtype, "u1")))
        self._check()

    def _check(self) -> None:
        item = self._dtype.itemsize
        store = self._ref.storage
        assert store is not None
        there = min(self._record.size - self._start, store.numel * np.dtype(DTYPES.get(store.dtype, "u1")).itemsize)
        if math.prod(self._shape) and (self._ref.offset + self._span(self._shape) + 1) * item > there:
            raise MalformedFile(self._file, f"a tensor of shape {list(self._shape)} leaves its storage; refused")

    def _span(self, shape: tuple[int, ...]) -> int:
        return sum((d - 1) * s for d, s in zip(shape, self._stride, strict=True))

    def tensor(self, name: str) -> Tensor:
        quantizer = self._ref.quantizer
        trained = bool(self._ref.shape) and (self._dtype.kind not in "iub?" or quantizer is not None)
        load = self.load if quantizer is None else _Dequantized(self, self._ref, self._file).load
        return Tensor(name[:MAX_NAME], self._shape, self._ref.dtype, load, trained)

    def beside(self, ref: TensorRef) -> _Strided:
        """Another tensor of the same file (scales)."""
        return _Strided(ref, self._records, self._file, self._big)

    def load(self, start: int, stop: int) -> NDArray[Any]:
        shape = (max(0, stop - start), *self._shape[1:])
        if not math.prod(shape):
            return np.empty(shape, self._dtype)
        item = self._dtype.itemsize
        first = self._start + (self._ref.offset + start * self._stride[0]) * item
        block = self._record.view(first, (self._span(shape) + 1) * item)
        strides = tuple(s * item for s in self._stride)
        if not self._big or item == 1:
            found = np.ndarray(shape, self._dtype, block, strides=strides)
            return found if found.flags.aligned else found.copy()
        swapped = np.ndarray(shape, f">u{item}", block, strides=strides)
        return swapped.astype(f"u{item}", order="C").view(self._dtype)


class _Dequantized:
    """scale * (stored - zero_point), per tensor or along one axis, as float32."""

    def __init__(self, stored: _Strided, ref: TensorRef, file: str) -> None:
        assert ref.quantizer is not None
        self._stored, self._axis = stored, ref.quantizer.axis
        length = 1 if self._axis is None else (*ref.shape, -1)[min(self._axis, len(ref.shape))]
        self._scale = _numbers(ref.quantizer.scale, length, stored, file)
        self._zero = _numbers(ref.quantizer.zero_point, length, stored, file)

    def load(self, start: int, stop: int) -> NDArray[np.float32]:
        stored = self._stored.load(start, stop)
        scale, zero = self._scale, self._zero
        if self._axis == 0:
            scale, zero = scale[start:stop], zero[start:stop]
        around = [1] * stored.ndim
        around[self._axis or 0] = -1
        return ((stored - zero.reshape(around)) * scale.reshape(around)).astype(np.float32)


def _numbers(value: Any, length: int, near: _Strided, file: str) -> NDArray[np.float64]:
    claimed = math.prod(value.shape) if isinstance(value, TensorRef) else len(value) if isinstance(value, list) else 1
    if claimed != length or length > MAX_CHANNELS:
        raise MalformedFile(file, "a quantised tensor has scales that do not fit its shape; fetch it again")
    if isinstance(value, TensorRef):
        value = near.beside(value).load(0, value.shape[0] if value.shape else 1)
    return np.asarray(value, np.float64).reshape(length)


def _start(storage: StorageRef, dtype: np.dtype[Any]) -> int:
    return storage.start * dtype.itemsize
