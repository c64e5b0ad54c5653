"""PyTorch files from before 1.6: five pickles (magic, version, system, object, storage keys), then raw storages."""

from __future__ import annotations

from typing import Any

import numpy as np

from whosenet.errors import MalformedFile, UnreadableInput
from whosenet.weights import torch_objects
from whosenet.weights.base import Reader, Tensor
from whosenet.weights.source import Source
from whosenet.weights.torch_objects import DTYPES, StorageRef
from whosenet.weights.torch_tensors import Record, tensors
from whosenet.weights.unpickle import walk

MAGIC = bytes.fromhex("6cfc9c46f9206aa85019")
MAGIC_TEXT = b"L119547037146038801333356L"
VERSION = 1001
COUNT = 8
"""Magic number (as LONG1 and as text), the only version there ever was, bytes of the element count before a storage."""
VERY_OLD = (b"sys_info\0", b"storages\0", b"tensors\0", b"pickle\0")


class TorchLegacy(Reader):
    """Source: torch/serialization.py (`_legacy_save`, `_legacy_load`). Storages are always little-endian."""

    name = "torch_legacy"
    suffixes = (".pt", ".pth", ".bin", ".th", ".ckpt", ".pth.tar", ".pt.tar", ".tar")

    def sniff(self, head: bytes, name: str) -> bool:
        return _is_torch(head) or head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5" or head.startswith(VERY_OLD)

    def _read(self, source: Source) -> tuple[list[Tensor], list[Source]]:
        head = bytes(source.view(0, min(64, source.size)))
        if not _is_torch(head):
            kind = "a PyTorch file from before 0.2" if head.startswith(VERY_OLD) else "a plain pickle, no weight format"
            why = f"is {kind}; load it where you trust it, and save the state_dict as .safetensors or with torch.save"
            raise UnreadableInput(source.name, why)
        held, records = _Layout(source).read()
        named = torch_objects.named_tensors(held, source.name)
        return tensors(named, records.get, source.name, source.size), []


def _is_torch(head: bytes) -> bool:
    return MAGIC in head[:32] or head.startswith(MAGIC_TEXT)


class _Layout:
    """The pickles of one file in turn, and where each storage lies behind them."""

    def __init__(self, source: Source) -> None:
        self._source, self._file = source, source.file()
        self._stored: dict[str, StorageRef] = {}

    def read(self) -> tuple[Any, dict[str, Record]]:
        self._next()
        if self._next() != VERSION:
            raise MalformedFile(self._source.name, f"is no legacy PyTorch file of version {VERSION}; save it again")
        self._next()
        held = self._next()
        return held, self._records(self._next())

    def _next(self) -> Any:
        return walk(self._file, self._source.name, torch_objects.reduce, self._storage)

    def _storage(self, identity: Any) -> Any:
        ref = torch_objects.storage(identity)
        if isinstance(ref, StorageRef):
            whole = torch_objects.storage(identity[:5])
            if self._stored.setdefault(ref.key, whole) != whole:
                raise ValueError("two sizes for one storage")
        return ref

    def _records(self, keys: Any) -> dict[str, Record]:
        """Counts are not read here, only checked when a storage is: seeking to each would fetch a remote file whole."""
        if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys) or len(set(keys)) != len(keys):
            raise MalformedFile(self._source.name, "lists its storages twice or not by name; fetch it again")
        records: dict[str, Record] = {}
        at = self._file.tell()
        for key in keys:
            if key not in self._stored or self._stored[key].dtype not in ITEMS:
                raise MalformedFile(self._source.name, f"holds a storage {key[:40]!r} of unknown type; fetch it again")
            size = self._stored[key].numel * ITEMS[self._stored[key].dtype]
            records[key] = Record(size, _Counted(self._source, at, self._stored[key].numel, size).view)
            at += COUNT + size
        if at > self._source.size:
            why = f"ends too early: {at} bytes wanted, {self._source.size} there; fetch it again"
            raise MalformedFile(self._source.name, why)
        return records


ITEMS = {name: np.dtype(kind).itemsize for name, kind in DTYPES.items()} | {"complex64": 8, "complex128": 16}


class _Counted:
    """A storage behind its element count, which must be the one the pickle gave."""

    def __init__(self, source: Source, at: int, numel: int, size: int) -> None:
        self._source, self._at, self._numel, self._size = source, at, numel, size
        self._checked = False

    def view(self, offset: int, length: int) -> memoryview:
        if not self._checked and int.from_bytes(self._source.view(self._at, COUNT), "little") != self._numel:
            raise MalformedFile(self._source.name, "the size of a storage disagrees with its count; fetch it again")
        self._checked = True
        if offset < 0 or offset + length > self._size:
            raise MalformedFile(self._source.name, "a tensor reaches outside its storage; refused")
        return self._source.view(self._at + COUNT + offset, length)
