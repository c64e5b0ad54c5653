"""JSON of weight files, read with bounds, and the index of a sharded checkpoint.

Source: huggingface_hub, serialization/_base.py: {"metadata": {...}, "weight_map": {tensor name: shard file name}}.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from whosenet.errors import MalformedFile
from whosenet.weights.base import Tensor
from whosenet.weights.source import Source

MAX_JSON = 1 << 26
MAX_PARTS = 4_000_000
MAX_SHARDS = 1_000
"""Bytes of JSON, separators and brackets in it (each makes at most one small object), files of one checkpoint."""


def read_json(text: memoryview, name: str) -> dict[str, Any]:
    """A JSON object without repeated keys. MalformedFile for anything else, or for one too large to hold."""
    raw = bytes(text)
    if len(raw) > MAX_JSON or raw.count(b",") + raw.count(b"[") + raw.count(b"{") > MAX_PARTS:
        raise MalformedFile(name, f"has a JSON part of {len(raw)} bytes, over the limit; refused")
    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise MalformedFile(name, f"has no readable JSON part ({str(error)[:120]}); fetch it again") from error
    if not isinstance(found, dict):
        raise MalformedFile(name, "has a JSON part that is no object; fetch it again")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def is_index(head: bytes, name: str, ending: str) -> bool:
    """Whether a file is a shard index for weight files with `ending`, say `.safetensors`."""
    return name.endswith(f"{ending}.index.json") and head.lstrip()[:1] == b"{"


def read_shards(source: Source, read: Callable[[Source], list[Tensor]]) -> tuple[list[Tensor], list[Source]]:
    """The tensors of all shards an index names, in its order of shards, and the shards themselves, opened."""
    index = read_json(source.view(0, min(source.size, MAX_JSON + 1)), source.name)
    where = index.get("weight_map")
    if not isinstance(where, dict) or not where or not all(isinstance(v, str) for v in where.values()):
        raise MalformedFile(source.name, "is no shard index: it maps no tensor to a file; fetch it again")
    names = list(dict.fromkeys(where.values()))
    if len(names) > MAX_SHARDS:
        raise MalformedFile(source.name, f"names {len(names)} shards, over the limit of {MAX_SHARDS}; refused")
    shards: list[Source] = []
    tensors: list[Tensor] = []
    try:
        for name in names:
            shards.append(source.sibling(name))
            found = read(shards[-1])
            if not any(where.get(t.name, where.get(f"module.{t.name}")) == name for t in found):
                raise MalformedFile(source.name, f"names the shard {name[:80]!r}, which holds none of it; fetch it")
            tensors += found
    except BaseException:
        for shard in shards:
            shard.close()
        raise
    return tensors, shards
