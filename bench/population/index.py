"""The store of a population: one safetensors file a model, and `index.jsonl`, one line a finished file.

A line is written after its file is in place, so a run killed at any moment loses at most the model it was making.

    from bench.population.index import Store
    for record in Store().models(split="dev"):
        weights = Store.load(record)   # dict[str, float32 array]
        path = record["path"]          # to hash the file itself, in the dtype it was saved in
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

Record = dict[str, Any]
CHECKOUT = Path(__file__).resolve().parents[2]


def default_root() -> Path:
    """`WHOSENET_BENCH_CACHE`, else bench/cache in the checkout."""
    return Path(os.environ.get("WHOSENET_BENCH_CACHE", CHECKOUT / "bench" / "cache"))


class Store:
    """What has been made so far. One process may add; any number may read while it does."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = default_root() if root is None else root
        self.records: dict[str, Record] = {record["id"]: record for record in self._lines()}

    def _lines(self) -> Iterator[Record]:
        """Whole lines only: the last one may be cut short by a kill."""
        index = self.root / "index.jsonl"
        if not index.is_file():
            return
        for line in index.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield {**(record := json.loads(line)), "path": str(self.root / record["file"])}

    def models(self, population: str = "library", *, split: str | None = None) -> Iterator[Record]:
        """Records in the order they were made; `split` is "dev", "rest" or None for both."""
        for record in self.records.values():
            if record["population"] == population and split in (None, record.get("split")):
                yield record

    def add(self, record: Record, tensors: dict[str, torch.Tensor]) -> Record:
        """Write the file, then the line; `file`, `bytes` and `sha256` are filled in."""
        from safetensors.torch import save

        data = save({name: tensor.detach().contiguous() for name, tensor in tensors.items()})
        file = Path(record["population"]) / f"{record['id']}.safetensors"
        _write(self.root / file, data)
        line = {**record, "file": str(file), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        self._append(json.dumps(line).encode() + b"\n")
        self.records[record["id"]] = {**line, "path": str(self.root / file)}
        return self.records[record["id"]]

    def _append(self, line: bytes) -> None:
        """A line cut short by an earlier kill is removed first."""
        with (self.root / "index.jsonl").open("ab+") as index:
            index.seek(0)
            whole = index.read().rfind(b"\n") + 1
            index.truncate(whole)
            index.write(line)
            index.flush()
            os.fsync(index.fileno())

    @staticmethod
    def tensors(record: Record) -> dict[str, torch.Tensor]:
        """The tensors as stored, dtype kept."""
        from safetensors.torch import load_file

        return load_file(record["path"])

    @staticmethod
    def load(record: Record) -> dict[str, np.ndarray]:
        """float32 arrays, whatever the file's dtype."""
        return {name: tensor.float().numpy() for name, tensor in Store.tensors(record).items()}


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)
