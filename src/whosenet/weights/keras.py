"""Keras: HDF5 weight files (.h5, .hdf5) and .keras archives around one. Layer code (Lambda) is never touched."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile
from whosenet.weights.archive import MAX_RATIO, Archive, Member
from whosenet.weights.base import MAX_NAME, MAX_TENSORS, Reader, Tensor, check_shape
from whosenet.weights.source import Source

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_DEPTH = 64
MAX_CHUNK = 1 << 28
"""Bytes of one stored HDF5 chunk, which is unpacked as a whole (256 MB)."""
MAX_WEIGHTS_FILE = 1 << 28
"""Bytes of a deflated model.weights.h5 inside a .keras archive (256 MB; Keras stores it, then any size is read)."""
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf"}
"""HDF5 filters that ship with h5py; any other would be loaded from a plugin folder."""
STRUCTURAL = ("optimizer_weights", "optimizer")
"""Groups at the root that hold the optimiser's state."""
UNDEFINED = (1 << 64) - 1


class Keras(Reader):
    """Source: HDF5 file format specification 3.0; keras.src.legacy.saving.hdf5_format and keras.src.saving.saving_lib.

    What remains hostile: libhdf5 parses the bytes in C. The superblock is checked before it sees them; external links,
    external storage, virtual datasets and foreign filters are refused before a dataset is read; the library is bundled
    with h5py, so keep h5py up to date.
    """

    name = "keras"
    suffixes = (".h5", ".hdf5", ".keras")
    extra = "keras"

    def sniff(self, head: bytes, name: str) -> bool:
        return head[:8] == SIGNATURE or head[30:43] == b"metadata.json" or name.endswith(self.suffixes)

    def _read(self, source: Source) -> tuple[list[Tensor], list[Source]]:
        import h5py

        inner = _weights_source(source)
        _check_superblock(inner)
        with _reading(source.name):
            root = h5py.File(inner.file(), "r")
            found = [_tensor(source.name, name, dataset) for name, dataset in _datasets(source.name, root)]
        return [tensor for tensor in found if tensor is not None], []


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Whatever h5py raises on damaged bytes, as MalformedFile."""
    try:
        yield
    except (RuntimeError, OSError, KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError,
            SystemError, MemoryError, NotImplementedError) as error:  # fmt: skip
        raise MalformedFile(name, f"is damaged HDF5 ({str(error)[:100]}); fetch it again") from error


def _weights_source(source: Source) -> Source:
    if bytes(source.view(0, min(4, source.size))) != b"PK\3\4":
        return source
    member = Archive(source).find("model.weights.h5")
    if member is None:
        raise MalformedFile(source.name, "holds no model.weights.h5; save the model with model.save('name.keras')")
    if not member.stored and member.size > MAX_WEIGHTS_FILE:
        raise MalformedFile(source.name, "deflates over 256 MB of weights; unzip it and give model.weights.h5")
    return _Inside(source, member)


class _Inside(Source):
    """A member of an archive as a source of its own."""

    def __init__(self, source: Source, member: Member) -> None:
        self.name, self.size = source.name, member.size
        self._bytes = None if member.stored else member.read(0, member.size)
        self._member = member

    def view(self, offset: int, length: int) -> memoryview:
        self._check(offset, length)
        return self._member.read(offset, length) if self._bytes is None else self._bytes[offset : offset + length]

    def sibling(self, relative: str) -> Source:
        raise MalformedFile(self.name, f"refers to another file ({relative[:80]!r}); refused")


def _check_superblock(source: Source) -> None:
    """Versions 0 to 3, sane sizes, no driver block (other files), and an end of file that is there."""
    head = bytes(source.view(0, min(96, source.size))).ljust(96, b"\0")
    version = head[8]
    if head[:8] != SIGNATURE or version > 3:
        raise MalformedFile(source.name, "is no HDF5 file of a known version; fetch it again")
    old = version < 2
    sizes, first = (head[13:15], 24 + 4 * version) if old else (head[9:11], 12)
    if sizes != b"\x08\x08":
        raise MalformedFile(source.name, "is HDF5 with addresses that are not 64 bits wide; save it again with h5py")
    base, _, end, driver = struct.unpack_from("<4Q", head, first)
    if base != 0 or end > source.size:
        raise MalformedFile(source.name, f"ends too early: {end} bytes claimed, {source.size} there; fetch it again")
    if old and driver != UNDEFINED:
        raise MalformedFile(source.name, "is HDF5 spread over several files; save it as one")


def _datasets(name: str, root: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Each dataset once, in the order of the file. Soft and external links are not followed: Keras writes none."""
    import h5py

    seen, waiting = set(), [("", root)]
    while waiting:
        path, node = waiting.pop()
        # h5o.get_info would also measure heaps and indices, and a damaged one keeps it busy for ever.
        address = h5py.h5g.get_objinfo(node.id).objno
        if address in seen:
            continue
        seen.add(address)
        if len(seen) > MAX_TENSORS or path.count("/") > MAX_DEPTH or len(path) > MAX_NAME:
            raise MalformedFile(name, f"holds over {MAX_TENSORS} objects, or groups nested too deep; refused")
        if isinstance(node, h5py.Dataset):
            yield path, node
        elif isinstance(node, h5py.Group):
            hard = [key for key in node if isinstance(node.get(key, getlink=True), h5py.HardLink)]
            kept = [key for key in hard if path or key not in STRUCTURAL]
            waiting += [(f"{path}/{key}" if path else key, node[key]) for key in reversed(kept)]


def _tensor(file: str, name: str, dataset: h5py.Dataset) -> Tensor | None:
    """The dataset as a tensor, or None where it holds no numbers."""
    kind = dataset.dtype
    bfloat16 = kind == np.dtype("V2")
    if kind.kind not in "fiub" and not bfloat16 or dataset.shape is None:
        return None
    _check_storage(file, name, dataset)
    dims = check_shape(file, name, dataset.shape)

    def load(start: int, stop: int) -> NDArray[Any]:
        with _reading(file):
            rows = np.atleast_1d(dataset[start:stop] if dims else dataset[()])
            return rows.view(ml_dtypes.bfloat16) if bfloat16 else rows

    label = "bfloat16" if bfloat16 else str(kind.newbyteorder("=").name)
    return Tensor(name, dims or (1,), label, load, bool(dims) and kind.kind not in "iub")


def _check_storage(file: str, name: str, dataset: h5py.Dataset) -> None:
    """Refuse what would make libhdf5 open other files, load plugins or unpack far more than is stored."""
    import h5py

    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(i)[0] for i in range(min(plan.get_nfilters(), 32))]
    if plan.get_layout() == h5py.h5d.VIRTUAL or plan.get_external_count():
        raise MalformedFile(file, f"dataset {name[:80]!r} lies in other files; refused")
    if not set(filters) <= set(FILTERS):
        raise MalformedFile(file, f"dataset {name[:80]!r} needs the HDF5 filters {filters}; save it with gzip or none")
    unpacked = dataset.dtype.itemsize * math.prod(dataset.chunks or (0,))
    claimed = dataset.dtype.itemsize * math.prod(dataset.shape)
    if dataset.dtype.itemsize * math.prod(dataset.shape[1:]) > MAX_CHUNK:
        raise MalformedFile(file, f"dataset {name[:80]!r} has rows of over {MAX_CHUNK >> 20} MB; save it in more rows")
    if unpacked > MAX_CHUNK or claimed > MAX_RATIO * dataset.id.get_storage_size():
        stored = dataset.id.get_storage_size()
        raise MalformedFile(file, f"dataset {name[:80]!r} claims {claimed} bytes and stores {stored}; refused")
