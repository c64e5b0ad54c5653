"""Fill a library: many files, in parallel, resumable, failures recorded and passed over."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic

from whosenet.errors import MissingExtra, UnreadableInput, WhosenetWarning
from whosenet.finding.hashing import Hashed, looked_at, stored
from whosenet.finding.pool import cores, hash_all
from whosenet.finding.walk import models
from whosenet.library import ScanLibrary
from whosenet.library.base import Entry, Library

BATCH = 64
SECONDS = 2.0
"""A batch is stored, and so acknowledged, when it holds this many models or is this old."""


@dataclass(frozen=True)
class Step:
    """One file dealt with, for a progress display."""

    path: str
    bytes: int
    outcome: str
    """hashed, unchanged or failed."""


@dataclass
class AddReport:
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: list[dict[str, str]] = field(default_factory=list)


def add(
    library: str | Path,
    paths: Iterable[str | Path],
    *,
    method: str | None = None,
    licence: str = "",
    note: str = "",
    jobs: int | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> AddReport:
    """Hash every model under `paths` into the library folder (made if missing). Raises LibraryError.

    Stored batch by batch: stopped at any moment, the next call goes on where it was. Unreadable files are listed in
    `failed`. Without a `method` each model gets both codes, `nts` and `invariant`. `jobs`: worker processes, by default
    one a core (OMP_NUM_THREADS if set).
    """
    report, signatures = AddReport(), [m.signature for m in stored(method)]
    store = partial(_entry, licence=licence, note=note)
    tell = on_step or (lambda _: None)
    with ScanLibrary(library, create=True) as lib:
        todo = _changed(lib, models(paths), signatures, report, tell)
        batch: list[Entry] = []
        since = monotonic()
        try:
            for path, got in hash_all(todo, signatures, jobs or cores()):
                if isinstance(got, str):
                    report.failed.append({"path": path, "error": got})
                    tell(Step(path, 0, "failed"))
                    continue
                for remark in got.notes:
                    warnings.warn(remark, WhosenetWarning, stacklevel=2)
                batch.append(store(got))
                tell(Step(path, got.bytes, "hashed"))
                if len(batch) >= BATCH or monotonic() - since > SECONDS:
                    _flush(lib, batch, report)
                    since = monotonic()
        finally:
            _flush(lib, batch, report)
    return report


def _changed(
    lib: Library, paths: Iterable[str], signatures: Sequence[str], report: AddReport, tell: Callable[[Step], None]
) -> Iterator[str]:
    """The paths that need hashing: new, or with another size or time than the library knows."""
    for path in paths:
        size = _unchanged(lib, path, signatures)
        if size is None:
            yield path
        else:
            report.unchanged += 1
            tell(Step(path, size, "unchanged"))


def _unchanged(lib: Library, path: str, signatures: Sequence[str]) -> int | None:
    """The size of a model the library holds as it is; None if it is new, changed, lacks a code, is not local or cannot
    be looked at. One too small for the second code is hashed again each time, which is soon done."""
    if "://" in path:
        return None
    try:
        info = os.stat(path)  # noqa: PTH116
        if all(lib.unchanged(path, size=info.st_size, mtime_ns=info.st_mtime_ns, signature=s) for s in signatures):
            return info.st_size
        entry = lib.known(path)
        if entry is None or entry.bytes <= info.st_size:
            return None
        size, mtime_ns = looked_at(path)  # of several files: shards, external data
    except (OSError, UnreadableInput, MissingExtra):
        return None
    same = all(lib.unchanged(path, size=size, mtime_ns=mtime_ns, signature=s) for s in signatures)
    return size if same else None


def _entry(got: Hashed, licence: str, note: str) -> Entry:
    return Entry(path=got.path, digest=got.digest, bytes=got.bytes, mtime_ns=got.mtime_ns, format=got.format,
                 tensors=got.tensors, parameters=got.parameters, licence=licence, note=note,
                 codes=got.codes)  # fmt: skip


def _flush(lib: Library, batch: list[Entry], report: AddReport) -> None:
    done = lib.add(batch)
    report.added += done.added
    report.updated += done.updated
    report.unchanged += done.unchanged
    batch.clear()
