"""Fill a library: many files, in parallel, resumable, failures recorded and passed over."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from time import monotonic

from whosenet.errors import LibraryError, MissingExtra, UnreadableInput, WhosenetError
from whosenet.finding.hashing import Hashed, hash_file, hasher, looked_at
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
    `failed`. `jobs`: worker processes, by default one a core (OMP_NUM_THREADS if set).
    """
    report, method_ = AddReport(), hasher(method)
    store = partial(_entry, licence=licence, note=note)
    tell = on_step or (lambda _: None)
    with ScanLibrary(library, create=True) as lib:
        todo = _changed(lib, models(paths), method_.signature, report, tell)
        batch: list[Entry] = []
        since = monotonic()
        try:
            for path, got in _hash_all(todo, method_.signature, jobs or _cores()):
                if isinstance(got, str):
                    report.failed.append({"path": path, "error": got})
                    tell(Step(path, 0, "failed"))
                    continue
                batch.append(store(got))
                tell(Step(path, got.bytes, "hashed"))
                if len(batch) >= BATCH or monotonic() - since > SECONDS:
                    _flush(lib, batch, report)
                    since = monotonic()
        finally:
            _flush(lib, batch, report)
    return report


def _changed(
    lib: Library, paths: Iterable[str], signature: str, report: AddReport, tell: Callable[[Step], None]
) -> Iterator[str]:
    """The paths that need hashing: new, or with another size or time than the library knows."""
    for path in paths:
        size = _unchanged(lib, path, signature)
        if size is None:
            yield path
        else:
            report.unchanged += 1
            tell(Step(path, size, "unchanged"))


def _unchanged(lib: Library, path: str, signature: str) -> int | None:
    """The size of a model the library holds as it is; None if it is new, changed, not local or cannot be looked at."""
    if "://" in path:
        return None
    try:
        info = os.stat(path)  # noqa: PTH116
        if lib.unchanged(path, size=info.st_size, mtime_ns=info.st_mtime_ns, signature=signature):
            return info.st_size
        entry = lib.known(path)
        if entry is None or entry.bytes <= info.st_size:
            return None
        size, mtime_ns = looked_at(path)  # of several files: shards, external data
    except (OSError, UnreadableInput, MissingExtra):
        return None
    return size if lib.unchanged(path, size=size, mtime_ns=mtime_ns, signature=signature) else None


def _hash_all(paths: Iterable[str], signature: str, jobs: int) -> Iterator[tuple[str, Hashed | str]]:
    """Each path with its result, or the one-line reason it has none, as they come."""
    if jobs <= 1:
        yield from ((path, _hash_one(path, signature)) for path in paths)
        return
    todo = iter(paths)
    first = list(islice(todo, 2 * jobs))
    if len(first) <= 1:
        yield from ((path, _hash_one(path, signature)) for path in first)
        return
    # spawn: safe beside threads, and a worker that a hostile file crashes takes nobody along
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_leave_interrupts)
    try:
        yield from _drain(pool, first, todo, signature)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the parent stores what there is and stops the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _drain(
    pool: ProcessPoolExecutor, first: list[str], todo: Iterator[str], signature: str
) -> Iterator[tuple[str, Hashed | str]]:
    running: dict[Future[Hashed | str], str] = {pool.submit(_hash_one, path, signature): path for path in first}
    while running:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            path = running.pop(future)
            try:
                yield path, future.result()
            except BrokenExecutor:
                yield path, f"{path}: a worker died while reading files; read this one alone to see why"
                raise LibraryError(
                    "a worker process died; what was stored is safe: run the same command with --jobs 1"
                ) from None
            for following in islice(todo, 1):
                running[pool.submit(_hash_one, following, signature)] = following


def _hash_one(path: str, signature: str) -> Hashed | str:
    try:
        got = hash_file(path, [hasher(signature)])
        got.features.parts.clear()  # only the code travels back
        return got
    except WhosenetError as error:
        return str(error)


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


def _cores() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) > 0 else len(os.sched_getaffinity(0))
