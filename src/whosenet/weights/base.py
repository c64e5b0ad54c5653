"""Weights: lazy tensors out of a file, whatever its format. A reader computes where numbers lie; this module measures.

A reader never runs code from a file, never holds a whole file, and leaves the file as it was. It reports tensors in the
axis order of the file: no transposing here, since hashing and comparing do not depend on the order of axes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile
from whosenet.weights.source import Source

MAX_TENSORS = 1_000_000
MAX_NAME = 4_096
MAX_RANK = 8
MAX_ELEMENTS = 1 << 40
CHUNK_ELEMENTS = 1 << 20
"""Limits on what a header may claim, and how many numbers one chunk holds (4 MB as float32)."""


@dataclass(frozen=True)
class Tensor:
    """One named array of a file, read lazily.

    `load(start, stop)` returns rows [start, stop) along axis 0, in the file's axis order, as an array of shape
    (stop - start, *shape[1:]) and any real dtype (quantised formats return de-quantised float32).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    """The stored type, for people: float32, bfloat16, float8_e4m3fn, int8, q4_k ..."""
    load: Callable[[int, int], NDArray[Any]] = field(repr=False, compare=False)
    trained: bool = True
    """False for what the format itself marks as no weight: integer tables, optimiser state."""

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    def raw(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Rows [start, stop) along axis 0 in the stored dtype where NumPy (with ml_dtypes) has it."""
        return self.load(start, self.shape[0] if stop is None else stop)

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Rows [start, stop) along axis 0 as float32."""
        return np.asarray(self.raw(start, stop)).astype(np.float32, copy=False)

    def chunks(self, elements: int = CHUNK_ELEMENTS) -> Iterator[NDArray[Any]]:
        """Consecutive row blocks in the stored dtype, each of about `elements` numbers (at least one row)."""
        step = max(1, elements // max(1, math.prod(self.shape[1:])))
        for start in range(0, self.shape[0], step):
            yield self.raw(start, min(start + step, self.shape[0]))


@dataclass
class Weights:
    """The tensors of one model, sorted by nothing: in the order of the file."""

    name: str
    format: str
    tensors: Sequence[Tensor]
    size: int
    """Bytes of the file, or of all its shards together."""
    sources: Sequence[Source] = ()

    @property
    def parameters(self) -> int:
        return sum(t.elements for t in self.tensors if t.trained)

    def close(self) -> None:
        for source in self.sources:
            source.close()

    def __enter__(self) -> Weights:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Reader(ABC):
    """One file format. `open` is final: it checks what `_read` computed; subclasses write `sniff` and `_read`."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    """Lower-case file name endings, for folder walks and messages; `sniff` decides by content."""
    extra: ClassVar[str | None] = None
    """The optional dependency group it needs, if any."""

    @abstractmethod
    def sniff(self, head: bytes, name: str) -> bool:
        """Whether the first 64 bytes (and, where a format has no magic, the file name) look like this format."""

    @abstractmethod
    def _read(self, source: Source) -> tuple[list[Tensor], list[Source]]:
        """The tensors, and further sources opened for them (shards, external data)."""

    def open(self, source: Source) -> Weights:
        """Raises MalformedFile on anything a damaged or hostile file may hold."""
        tensors, more = self._read(source)
        check_tensors(source.name, tensors)
        return Weights(
            name=source.name,
            format=self.name,
            tensors=tensors,
            size=source.size + sum(s.size for s in more),
            sources=[source, *more],
        )


def check_shape(name: str, tensor: str, shape: Sequence[int]) -> tuple[int, ...]:
    """`shape` as a tuple of Python ints within the limits; MalformedFile otherwise (before anything is allocated)."""
    dims = tuple(int(d) for d in shape)
    if len(dims) > MAX_RANK or any(d < 0 for d in dims) or math.prod(max(d, 1) for d in dims) > MAX_ELEMENTS:
        raise MalformedFile(name, f"tensor {tensor[:80]!r} claims the impossible shape {list(dims)[:10]}; refused")
    return dims


def check_tensors(name: str, tensors: Sequence[Tensor]) -> None:
    if len(tensors) > MAX_TENSORS:
        raise MalformedFile(name, f"claims {len(tensors)} tensors, over the limit of {MAX_TENSORS}; refused")
    for tensor in tensors:
        check_shape(name, tensor.name, tensor.shape)


def from_buffer(source: Source, name: str, shape: Sequence[int], dtype: Any, offset: int, *, label: str | None = None,
                trained: bool | None = None) -> Tensor:  # fmt: skip
    """A tensor stored as one contiguous row-major block at `offset`, viewed without copying; bounds checked now."""
    kind = np.dtype(dtype)
    dims = check_shape(source.name, name, shape)
    row = math.prod(dims[1:]) * kind.itemsize
    if offset < 0 or offset + (dims[0] if dims else 1) * row > source.size:
        raise MalformedFile(source.name, f"tensor {name[:80]!r} reaches past the end of the file; fetch it again")

    def load(start: int, stop: int) -> NDArray[Any]:
        block = source.view(offset + start * row, (stop - start) * row)
        found = np.frombuffer(block, kind).reshape((stop - start, *dims[1:]))
        return found if found.flags.aligned else found.copy()

    if not dims:
        scalar = np.frombuffer(source.view(offset, kind.itemsize), kind)
        return Tensor(name[:MAX_NAME], (1,), label or kind.name, lambda a, b: scalar[a:b], False)
    weight = kind.kind not in "iub?" if trained is None else trained
    return Tensor(name[:MAX_NAME], dims, label or kind.name, load, weight)
