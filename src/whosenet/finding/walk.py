"""Which files under the given paths are models: one entry a model, however many shards it has."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from whosenet.weights.open import is_weight_file

INDEX = ".index.json"
MAX_INDEX_BYTES = 1 << 26


def models(paths: Iterable[str | Path]) -> Iterator[str]:
    """Paths of weight files, in sorted order, each once.

    Files given by name are tried whatever they are called, URLs pass through, folders are walked without following
    links. The shards of an index are one model, named by the index.
    """
    seen: set[str] = set()
    for path in paths:
        for found in [str(path)] if "://" in str(path) or not _folder(path) else _walk(Path(path)):
            name = found if "://" in found else os.path.abspath(found)  # noqa: PTH100 (links stay as they are)
            if name not in seen:
                seen.add(name)
                yield name


def _folder(path: str | Path) -> bool:
    """Unlike Path.is_dir, False for a name too long and below a folder that may not be entered: the reader says why."""
    return os.path.isdir(path)  # noqa: PTH112


def _walk(root: Path) -> Iterator[str]:
    for folder, below, files in os.walk(root, followlinks=False):
        below.sort()
        here = Path(folder)
        indices = sorted(f for f in files if f.endswith(INDEX))
        shards = set().union(*(_shards(here / f) for f in indices)) if indices else set()
        for name in sorted(files):
            if name in indices or (name not in shards and is_weight_file(here / name)):
                yield str(here / name)


def _shards(index: Path) -> set[str]:
    """Names of the shards an index lists; empty if it cannot be read (the reader will say why)."""
    try:
        if index.stat().st_size > MAX_INDEX_BYTES:
            return set()
        return set(json.loads(index.read_bytes())["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()
