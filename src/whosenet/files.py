"""Files of whosenet's own: arrays and a header that says what made them, in the safetensors layout; never pickle.

The layout is safetensors' (8-byte length, JSON header, one buffer), so any safetensors tool can look inside. The
header's `__metadata__` holds {kind, version, sha256, header}; `sha256` covers header and arrays, so a changed file is
noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import MalformedFile, UnreadableInput, UsageError

Arrays = Mapping[str, NDArray[Any]]
TYPES = {"float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "uint8": "U8", "bool": "BOOL"}
DTYPES = {stored: np.dtype(name) for name, stored in TYPES.items()}
MAX_HEADER = 1 << 26
MAX_FILE = 1 << 34
MAX_ARRAYS = 100_000


@dataclass(frozen=True)
class Contents:
    """What a file held: its kind's version, its header, its arrays (read-only), and the digest of all of it."""

    version: int
    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    sha256: str


def replaced(path: Path, write: Callable[[BinaryIO], object], *, private: bool = False) -> Path:
    """Written beside, flushed to the disk, then moved: nobody ever reads half a file. `private`: for the owner only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix=f".{path.name[:80]}.", dir=path.parent)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); choose another place") from error
    try:
        with os.fdopen(number, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if not private:
            Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); nothing was left behind") from error
    finally:
        Path(name).unlink(missing_ok=True)
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write(path: str | Path, kind: str, version: int, header: Mapping[str, Any], arrays: Arrays, *,
          private: bool = False) -> str:  # fmt: skip
    """Write one file; returns its sha256 (of header and arrays, not of the bytes on disk)."""
    digest = digest_of(kind, version, header, arrays)
    about = {"kind": kind, "version": str(version), "sha256": digest, "header": canonical(header)}
    text = json.dumps({"__metadata__": about, **_table(arrays)}).encode()
    text += b" " * (-len(text) % 8)

    def body(file: BinaryIO) -> None:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).data)

    replaced(Path(path), body, private=private)
    return digest


def write_weights(path: str | Path, arrays: Arrays) -> None:
    """A plain safetensors file of weights."""
    text = json.dumps(_table(arrays)).encode()
    text += b" " * (-len(text) % 8)

    def body(file: BinaryIO) -> None:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).data)

    replaced(Path(path), body)


def _table(arrays: Arrays) -> dict[str, Any]:
    table, end = {}, 0
    for name, array in arrays.items():
        span = [end, end + array.nbytes]
        table[name] = {"dtype": TYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": span}
        end += array.nbytes
    return table


def canonical(document: Any) -> str:
    """One spelling for one JSON document: sorted keys, no spaces, no NaN."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(kind: str, version: int, header: Mapping[str, Any], arrays: Arrays) -> str:
    """SHA-256 (hex) of kind, version, canonical header, and every array with its name, type and shape, by name."""
    whole = hashlib.sha256(canonical([kind, version, header]).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        whole.update(canonical([name, array.dtype.name, list(array.shape)]).encode())
        whole.update(array.data)
    return whole.hexdigest()


def read(path: str | Path, kind: str, newest: int) -> Contents:
    """Read one file of `kind`. Raises UnreadableInput if missing, of another kind, newer than `newest`, or changed."""
    try:
        found = _parse(path, whole(path, MAX_FILE), kind, newest)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise MalformedFile(path, f"is no {kind} file of whosenet; check that it is the right file") from error
    return found


def whole(path: str | Path, most: int) -> bytes:
    """A file of at most `most` bytes, as long as it was when opened. Raises UnreadableInput.

    A path may come from a stranger: a device never ends, and a pipe never begins.
    """
    try:
        about = Path(path).stat()
        if not stat.S_ISREG(about.st_mode):
            raise UnreadableInput(path, "is no regular file, but a folder, a device or a pipe; check the path")
        if about.st_size > most:
            raise MalformedFile(path, f"is larger than {most >> 30} GiB; refused")
        with Path(path).open("rb") as file:
            return file.read(about.st_size)
    except OSError as error:
        raise UnreadableInput(path, f"cannot be read ({error.strerror}); check the path") from error


def _parse(path: str | Path, data: bytes, kind: str, newest: int) -> Contents:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MAX_HEADER, len(data) - 8):
        raise ValueError("header length")
    table = json.loads(data[8 : 8 + length])
    about = table.pop("__metadata__")
    if about["kind"] != kind:
        raise MalformedFile(path, f"is a {str(about['kind'])[:40]!r} file, not a {kind}; give the other one")
    version, header = int(about["version"]), json.loads(about["header"])
    if not 1 <= version <= newest:
        raise MalformedFile(path, f"is a {kind} of version {version}; this whosenet reads up to {newest}: upgrade it")
    if len(table) > MAX_ARRAYS:
        raise ValueError("too many arrays")
    arrays = {name: _array(data, 8 + length, entry) for name, entry in table.items()}
    if digest_of(kind, version, header, arrays) != about["sha256"]:
        raise MalformedFile(path, "was changed since it was written (its digest does not fit); fetch the original")
    return Contents(version, header, arrays, about["sha256"])


def _array(data: bytes, base: int, entry: dict[str, Any]) -> NDArray[Any]:
    dtype, shape = DTYPES[entry["dtype"]], tuple(entry["shape"])
    start, stop = entry["data_offsets"]
    if any(type(n) is not int for n in (start, stop, *shape)):
        raise ValueError("array without whole numbers for bounds")
    if min(start, stop - start, *shape, 0) < 0 or len(shape) > 8 or base + stop > len(data):
        raise ValueError("array out of bounds")
    return np.frombuffer(data[base + start : base + stop], dtype).reshape(shape)
