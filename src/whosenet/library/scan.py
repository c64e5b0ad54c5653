"""The exact scan: faiss reads every row of a group through a memory map and keeps the k nearest.

Source: faiss, utils/hamming.cpp (hammings_knn_hc; a heap for each query, popcount on whole words). Of HNSW, other
stores and this it was the fastest that is exact; ten million 256-bit codes take about 10 ms a query on one core.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import LibraryError, UsageError
from whosenet.hashes.code import Code
from whosenet.library import segments
from whosenet.library.base import Added, Entry, Group, Hit, Library
from whosenet.library.changes import Change
from whosenet.library.compact import compact, crowded, refit
from whosenet.library.folder import open_record
from whosenet.library.record import Block, unknown_names
from whosenet.library.trouble import explained

PAGE = 512
DISTANCE_ROWS = 1 << 16
CHECKED_ROWS = 64
"""Rows compared with the record when a code file is first mapped: the last ones, and as many spread over the file."""


@dataclass(frozen=True)
class View:
    """Rows of a code file as mapped. They never change; a block that has grown since is mapped anew."""

    rows: NDArray[np.uint8]
    sound: bool
    """False if the file was lost or damaged and these come from the record."""


class ScanLibrary(Library):
    """The library in a folder of the local disk. Threads may share an object; processes open their own."""

    def __init__(self, path: str | Path, *, create: bool = False) -> None:
        self.path = Path(path)
        self._record = open_record(self.path, create=create)
        self._views: dict[int, View] = {}
        self._lock, self._pid = RLock(), os.getpid()

    def close(self) -> None:
        if self._pid == os.getpid():
            with self._lock, explained(self.path):
                self._views.clear()
                self._record.close()

    def _add(self, entries: Sequence[Entry]) -> Added:
        with self._open(), self._record.change():
            change = Change(self._record)
            done = [change.put(entry) for entry in entries]
            for block, data in change.finish():
                self._extend(block, data)
        self._tidy()
        return Added(tuple(name for name, _ in done), tuple(outcome for _, outcome in done))

    def remove(self, names: Sequence[str]) -> int:
        wanted = list(dict.fromkeys(names))
        with self._open(), self._record.change():
            change = Change(self._record)
            unknown = [name for name in wanted if not change.remove(name)]
            if unknown:
                raise unknown_names(self.path, unknown)
        self._tidy()
        return len(wanted)

    def _search(self, signature: str, bits: int, queries: NDArray[np.uint8], k: int) -> list[list[Hit]]:
        with self._reading(signature, bits) as block:
            return self._nearest(block, queries, min(k, block.live)) if block else [[] for _ in queries]

    def histogram(self, query: Code) -> NDArray[np.int64]:
        with self._reading(query.signature, query.bits) as block:
            if block is None:
                return np.zeros(query.bits + 1, np.int64)
            far = self._distances(block, query)
            counts = np.bincount(far, minlength=block.bits + 1)
            return counts - np.bincount(far[self._record.removed(block)], minlength=block.bits + 1)

    def within(self, query: Code, distance: int) -> list[Hit]:
        with self._reading(query.signature, query.bits) as block:
            if block is None:
                return []
            far = self._distances(block, query)
            near = np.flatnonzero(far <= distance)
            found = self._record.hits(block, near.tolist())
            order = near[np.argsort(far[near], kind="stable")].tolist()
            return [Hit(*found[row], int(far[row])) for row in order if row in found]

    def groups(self) -> list[Group]:
        with self._open(), self._record.snapshot():
            return self._record.groups()

    def entries(self) -> Iterator[Entry]:
        last = 0
        while page := self._page(last):
            yield from (entry for _, entry in page)
            last = page[-1][0]

    def get(self, name: str) -> Entry | None:
        with self._open(), self._record.snapshot():
            return self._record.find("name", name)

    def known(self, path: str) -> Entry | None:
        with self._open(), self._record.snapshot():
            return self._record.find("path", path)

    def __len__(self) -> int:
        with self._open(), self._record.snapshot():
            return self._record.count()

    def check(self) -> int:
        """Compare every code file with the record and rebuild those that differ; returns how many did."""
        with self._open(), self._record.change():
            return sum(refit(self.path, self._record, block) for block in self._record.blocks())

    @contextmanager
    def _open(self) -> Iterator[None]:
        if self._pid != os.getpid():
            raise UsageError(f"{self.path}: was opened by another process; open the library where it is used")
        with self._lock, explained(self.path):
            yield

    @contextmanager
    def _reading(self, signature: str, bits: int) -> Iterator[Block | None]:
        """The block as of one snapshot, its rows mapped; None in an empty library."""
        with self._open():
            with self._record.snapshot():
                block = self._record.block(signature, bits)
                if (block is None or not block.live) and not self._record.empty():
                    raise self._no_such_codes(signature, bits)
                yield block if block is not None and block.live else None
            self._mend()

    def _no_such_codes(self, signature: str, bits: int) -> LibraryError:
        held = ", ".join(f"{g.signature} ({g.bits} bits, {g.models} models)" for g in self._record.groups()[:4])
        why = (
            f"holds no codes of {signature} ({bits} bits), but of {held}; ask with one of these or add the files again"
        )
        return LibraryError(f"{self.path}: {why}")

    def _page(self, after: int) -> list[tuple[int, Entry]]:
        with self._open(), self._record.snapshot():
            return self._record.page(after, PAGE)

    def _nearest(self, block: Block, queries: NDArray[np.uint8], want: int) -> list[list[Hit]]:
        """Removed rows are found too, so ask for more until `want` are left for every query."""
        import faiss

        codes, out = self._rows(block), [[] for _ in queries]  # type: tuple[NDArray[np.uint8], list[list[Hit]]]
        ask = min(block.rows, want + want // 2 + 8) if block.dead else want
        pending = list(range(len(queries)))
        while pending:
            distances, rows = faiss.knn_hamming(queries[pending], codes, ask)
            found = self._record.hits(block, np.unique(rows).tolist())
            for query, far, near in zip(pending, distances.tolist(), rows.tolist(), strict=True):
                pairs = zip(far, near, strict=True)
                out[query] = [Hit(*found[row], d) for d, row in pairs if row in found][:want]
            pending = [query for query in pending if len(out[query]) < want and ask < block.rows]
            ask = min(block.rows, 2 * ask)
        return out

    def _distances(self, block: Block, query: Code) -> NDArray[np.int64]:
        """int64 [rows], in NumPy."""
        codes, target = self._rows(block), np.frombuffer(query.data, np.uint8)
        out = np.empty(block.rows, np.int64)
        for start in range(0, block.rows, DISTANCE_ROWS):
            part = slice(start, start + DISTANCE_ROWS)
            out[part] = np.bitwise_count(codes[part] ^ target).sum(axis=1, dtype=np.int64)
        return out

    def _rows(self, block: Block) -> NDArray[np.uint8]:
        """The block's rows, uint8 [rows, width]: mapped, or from the record where the file is not what it says."""
        view = self._views.get(block.id)
        if view is None or len(view.rows) < block.rows:
            codes = segments.mapped(segments.segment(self.path, block.id), block.rows, block.width)
            if codes is not None and ((view and view.sound) or self._agrees(block, codes)):
                view = View(codes, True)
            else:
                view = View(segments.gathered(self._record.data(block), block.rows, block.width), False)
            alive = {other.id for other in self._record.blocks()}  # maps of compacted files would hold their space
            self._views = {group_id: old for group_id, old in self._views.items() if group_id in alive}
            self._views[block.id] = view
        return view.rows[: block.rows]

    def _agrees(self, block: Block, codes: NDArray[np.uint8]) -> bool:
        step = max(1, block.rows // CHECKED_ROWS)
        spans = [(row, row + 1) for row in range(0, block.rows, step)]
        spans.append((max(0, block.rows - CHECKED_ROWS), block.rows))
        return all(b"".join(self._record.data(block, a, b)) == codes[a:b].tobytes() for a, b in spans)

    def _mend(self) -> None:
        """Rebuild what was found damaged, where that is allowed; the answers were right without."""
        for group_id in [group_id for group_id, view in self._views.items() if not view.sound]:
            with contextlib.suppress(sqlite3.Error, OSError), self._record.change(patience=0.0):
                for block in self._record.blocks():
                    if block.id == group_id:
                        refit(self.path, self._record, block)
                del self._views[group_id]

    def _extend(self, block: Block, data: bytes) -> None:
        """Append to the block's file, first rebuilding it if rows of it are lost."""
        path = segments.segment(self.path, block.id)
        if not segments.holds(path, block.rows, block.width):
            segments.rebuild(path, self._record.data(block))
        segments.append(path, block.rows, block.width, data)

    def _tidy(self) -> None:
        """Compact where it pays, keep the log short. What came before is committed: trouble here is no error."""
        with self._open(), contextlib.suppress(sqlite3.Error, OSError):
            for block in filter(crowded, self._record.blocks()):
                compact(self.path, self._record, block)
            self._record.trim()
