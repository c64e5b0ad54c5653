"""Hash many files in worker processes; a file that ends its worker is named and passed over."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from itertools import chain, islice

from whosenet.errors import WhosenetError, WhosenetWarning
from whosenet.finding.hashing import Hashed, hash_file, hasher

Result = tuple[str, Hashed | str]
"""A path with its hash, or with the one-line reason it has none."""


def cores() -> int:
    """Worker processes by default: OMP_NUM_THREADS if set, else one a core."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdigit() and int(given) > 0 else len(os.sched_getaffinity(0))


def hash_all(paths: Iterable[str], signatures: Sequence[str], jobs: int) -> Iterator[Result]:
    """Each path with its result, as they come. One process where that is all it takes."""
    todo = iter(paths)
    first = list(islice(todo, 2))
    if jobs <= 1 or len(first) <= 1:
        yield from ((path, hash_one(path, signatures)) for path in chain(first, todo))
        return
    todo = chain(first, todo)
    while waiting := (yield from _in_pool(todo, signatures, jobs)):
        for path in waiting:  # one of them ended its worker: each alone, to know which
            if (yield from _in_pool(iter([path]), signatures, 1)):
                yield path, f"{path}: ends the process that reads it; report this file to whosenet"


def _in_pool(todo: Iterator[str], signatures: Sequence[str], jobs: int) -> Generator[Result, None, list[str]]:
    """Results as they come; returns the paths under way when a worker died, none when all is done."""
    # spawn: safe beside threads, and a worker that a hostile file crashes takes nobody along
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_leave_interrupts)
    running: dict[str, Future[Hashed | str] | None] = {}
    try:
        while True:
            following = list(islice(todo, 2 * jobs - len(running)))
            running |= dict.fromkeys(following)
            for path in following:
                running[path] = pool.submit(hash_one, path, signatures)
            if not running:
                return []
            done = wait([f for f in running.values() if f], return_when=FIRST_COMPLETED).done
            for path in [p for p, future in running.items() if future in done]:
                future = running[path]
                result = future.result() if future else ""
                del running[path]
                yield path, result
    except BrokenExecutor:
        return list(running)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the parent stores what there is and stops the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def hash_one(path: str, signatures: Sequence[str]) -> Hashed | str:
    """In a worker: what was left out of the file travels back with the result, to be said by the parent."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", WhosenetWarning)
            got = hash_file(path, [hasher(s) for s in signatures])
    except WhosenetError as error:
        return str(error)
    got.features.parts.clear()  # only the codes travel back
    return replace(got, notes=tuple(str(w.message) for w in caught if issubclass(w.category, WhosenetWarning)))
