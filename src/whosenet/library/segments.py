"""Code files: the rows of one group, bits / 8 bytes each, dense, for the scan to read through a memory map.

A file is written inside the write transaction that records its rows and before the commit, at the place its row numbers
give. So the rows that a committed record counts are always there, and bytes after them are leavings of a killed writer,
which the next writer overwrites. Should a file be lost or damaged all the same, the record rebuilds it.
"""

from __future__ import annotations

import mmap
import os
import sqlite3
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHUNK_ROWS = 1 << 14


def segment(folder: Path, group_id: int) -> Path:
    """Group numbers are never used twice, so neither are these names."""
    return folder / "codes" / f"{group_id}.codes"


def holds(path: Path, rows: int, width: int) -> bool:
    """Whether the file is long enough for `rows` rows of `width` bytes."""
    return path.is_file() and size_of(path) >= rows * width


def size_of(path: Path) -> int:
    """Bytes; 0 where there is no file, also if another process removes it at this moment."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def append(path: Path, row: int, width: int, data: bytes) -> None:
    """Write `data` as the rows from `row` on and make it durable. The caller holds the write transaction."""
    with path.open("r+b" if path.exists() else "x+b") as file:
        file.seek(row * width)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def rebuild(path: Path, rows: Iterable[bytes]) -> None:
    """Write the whole file anew and put it in place; maps of the old one stay valid."""
    part = path.with_name(path.name + ".part")
    rest = iter(rows)
    with part.open("wb") as file:
        while block := b"".join(islice(rest, CHUNK_ROWS)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def mapped(path: Path, rows: int, width: int) -> NDArray[np.uint8] | None:
    """The first `rows` rows, uint8 [rows, width], read-only and not copied; None if the file does not hold them."""
    if not holds(path, rows, width):
        return None
    with path.open("rb") as file:
        view = mmap.mmap(file.fileno(), rows * width, access=mmap.ACCESS_READ)
    return np.frombuffer(view, np.uint8).reshape(rows, width)


def gathered(rows: Iterable[bytes], count: int, width: int) -> NDArray[np.uint8]:
    """The same from the record, in memory: uint8 [count, width]. DatabaseError if the record lacks some."""
    out = np.empty((count, width), np.uint8)
    rest, at = iter(rows), 0
    while block := list(islice(rest, CHUNK_ROWS)):
        if any(len(code) != width for code in block) or at + len(block) > count:
            raise sqlite3.DatabaseError("a code has the wrong length")
        out[at : at + len(block)] = np.frombuffer(b"".join(block), np.uint8).reshape(-1, width)
        at += len(block)
    if at != count:
        raise sqlite3.DatabaseError(f"{count - at} codes are missing")
    return out
