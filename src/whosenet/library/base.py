"""The library of codes: what every implementation promises. This module checks; an implementation stores and scans.

Laws: `add` returning is the acknowledgement, and what was acknowledged survives a kill at any moment; several processes
may add while others search; a reader never waits for a writer and sees one consistent state per call; search is exact.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from whosenet.errors import UsageError
from whosenet.hashes.code import Code

MAX_K = 1_000_000
BULK = 50_000
"""Most hits a query may ask for, and how many models `bulk_add` acknowledges at a time."""

DIGEST = re.compile("[0-9a-f]{64}")
Outcome = Literal["added", "updated", "unchanged"]


@dataclass(frozen=True)
class Entry:
    """One model. `path` says which model it is (adding it again updates it); `name` is what people call it."""

    path: str
    digest: str
    """BLAKE3 of the file (or of its shards together), hex."""
    bytes: int
    mtime_ns: int
    format: str
    tensors: int
    parameters: int
    name: str = ""
    """Unique. Empty: the path's last two parts. A name that another path holds already gets `~` and a number."""
    licence: str = ""
    note: str = ""
    added_at: float = 0.0
    """Seconds since 1970, set by the library: when the model was added or last changed."""
    codes: tuple[Code, ...] = ()
    """At most one for each (signature, bits)."""


@dataclass(frozen=True)
class Hit:
    """One row found: the model (its `codes` left empty), its code that was compared, the Hamming distance in bits."""

    entry: Entry
    code: Code
    distance: int


@dataclass(frozen=True)
class Group:
    """The codes that can be compared with each other: one signature, one length. `models`: what a search covers."""

    signature: str
    bits: int
    models: int


@dataclass(frozen=True)
class Added:
    """What one `add` did. `names` and `outcomes` are in the order of the entries given."""

    names: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def added(self) -> int:
        return self.outcomes.count("added")

    @property
    def updated(self) -> int:
        return self.outcomes.count("updated")

    @property
    def unchanged(self) -> int:
        return self.outcomes.count("unchanged")


class Library(ABC):
    """A context manager over one library. Every method may raise LibraryError with one line that says the way out."""

    path: Path

    def add(self, entries: Sequence[Entry]) -> Added:
        """Store all of them, or none if it raises. A path seen before with the same digest keeps its other codes."""
        paths = {entry.path for entry in entries}
        if len(paths) != len(entries):
            raise UsageError("the same path stands twice in one batch of models to add; add each path once")
        for entry in entries:
            check_entry(entry)
        return self._add(entries) if entries else Added((), ())

    def bulk_add(self, entries: Iterable[Entry], batch: int = BULK) -> int:
        """Add many in batches, each acknowledged as a whole; returns how many were added or updated."""
        rest, changed = iter(entries), 0
        while block := list(islice(rest, batch)):
            done = self.add(block)
            changed += done.added + done.updated
        return changed

    def search(self, queries: Sequence[Code], k: int = 10) -> list[list[Hit]]:
        """The min(k, models) nearest rows for each query, nearest first, older rows first among equals. Exact.

        LibraryError if the library holds models, but none with a query's signature and length.
        """
        if not 1 <= k <= MAX_K:
            raise UsageError(f"asked for the {k} nearest models; give a number from 1 to {MAX_K}")
        hits: dict[tuple[str, int], Iterator[list[Hit]]] = {}
        for kind in dict.fromkeys((query.signature, query.bits) for query in queries):
            batch = [query.data for query in queries if (query.signature, query.bits) == kind]
            rows = np.frombuffer(b"".join(batch), np.uint8).reshape(len(batch), -1)
            hits[kind] = iter(self._search(*kind, rows, k))
        return [next(hits[query.signature, query.bits]) for query in queries]

    @abstractmethod
    def _add(self, entries: Sequence[Entry]) -> Added:
        """One transaction."""

    @abstractmethod
    def _search(self, signature: str, bits: int, queries: NDArray[np.uint8], k: int) -> list[list[Hit]]:
        """`queries`: uint8 [n, bits/8]."""

    @abstractmethod
    def histogram(self, query: Code) -> NDArray[np.int64]:
        """How many models lie at each distance 0 .. bits: int64 [bits + 1]."""

    @abstractmethod
    def within(self, query: Code, distance: int) -> list[Hit]:
        """Every model at most `distance` bits away, in the order of `search`."""

    @abstractmethod
    def groups(self) -> list[Group]:
        """Kinds of codes held, the one with most models first."""

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """Every model with its codes, in the order of adding; models added meanwhile may or may not appear."""

    @abstractmethod
    def get(self, name: str) -> Entry | None:
        """The model of that name with its codes."""

    @abstractmethod
    def known(self, path: str) -> Entry | None:
        """The model last added from that path, with its codes."""

    @abstractmethod
    def remove(self, names: Sequence[str]) -> int:
        """Remove all of them, or raise LibraryError and remove none if one is unknown."""

    @abstractmethod
    def close(self) -> None:
        """Release files; may be called twice."""

    @abstractmethod
    def __len__(self) -> int:
        """How many models there are."""

    def unchanged(self, path: str, *, size: int, mtime_ns: int, signature: str = "", digest: str = "") -> bool:
        """Whether the file needs no hashing: same size and time (or digest, if given), a code of `signature` held."""
        entry = self.known(path)
        if entry is None or (signature and all(code.signature != signature for code in entry.codes)):
            return False
        if digest:
            return entry.digest == digest
        return (entry.bytes, entry.mtime_ns) == (size, mtime_ns)

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_entry(entry: Entry) -> None:
    """Raises UsageError for what no file could have given."""
    kinds = {(code.signature, code.bits) for code in entry.codes}
    whole = (entry.bytes, entry.mtime_ns, entry.tensors, entry.parameters)
    if not entry.path or "\0" in entry.path + entry.name:
        raise UsageError(f"a model needs a path, without NUL characters; got {entry.path[:80]!r}")
    if (
        not kinds
        or len(kinds) != len(entry.codes)
        or any(c.bits == 0 or not math.isfinite(c.m_eff) for c in entry.codes)
    ):
        raise UsageError(f"{entry.path}: a model needs codes, one for each method, none empty; got {len(entry.codes)}")
    if not DIGEST.fullmatch(entry.digest) or any(abs(number) >= 1 << 63 for number in whole):
        raise UsageError(f"{entry.path}: digest must be 64 hex digits, sizes under 2^63; got {entry.digest[:70]!r}")
