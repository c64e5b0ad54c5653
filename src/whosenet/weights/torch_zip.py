"""PyTorch zip files (torch.save since 1.6) and TorchScript archives: the pickle walked, the bytes viewed in place."""

from __future__ import annotations

import io
from typing import Any

from whosenet.errors import MalformedFile
from whosenet.weights import torch_objects
from whosenet.weights.archive import Archive, Member
from whosenet.weights.base import Reader, Tensor
from whosenet.weights.shards import is_index, read_shards
from whosenet.weights.source import Source
from whosenet.weights.torch_tensors import Record, tensors
from whosenet.weights.unpickle import MAX_PICKLE, walk

MAX_INFLATED = 1 << 28
MAX_RATIO = 100
"""Bytes and rate a deflated member may inflate to. PyTorch stores; repacking deflates weights by a few percent."""


class TorchZip(Reader):
    """Source: caffe2/serialize/inline_container.h (layout) and torch/serialization.py (`_save`, `_load`).

    A TorchScript archive is the same file with classes of its own in data.pkl, code beside it (never looked at), and
    its constants in a second pickle; frozen modules hold their weights there.
    """

    name = "torch_zip"
    suffixes = (".pt", ".pth", ".bin", ".th", ".ckpt", ".pth.tar", ".pt.tar", ".tar", ".ptl")

    def sniff(self, head: bytes, name: str) -> bool:
        if is_index(head, name, ".bin"):
            return True
        inside = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        foreign = inside.endswith((b".npy", b".json", b".h5")) or name.endswith((".npz", ".keras", ".zip"))
        return head[:4] == b"PK\3\4" and (not foreign or inside.endswith((b"/data.pkl", b"/version")))

    def _read(self, source: Source) -> tuple[list[Tensor], list[Source]]:
        if bytes(source.view(0, 1)) == b"{":
            return read_shards(source, _tensors)
        return _tensors(source), []


def _tensors(source: Source) -> list[Tensor]:
    archive = Archive(source)
    members = {member.name: member for member in archive.members}
    root = _root(source, members)
    order = members.get(f"{root}byteorder")
    big = order is not None and order.size < 16 and bytes(order.read(0, order.size)).strip() == b"big"
    found: list[Tensor] = []
    for part in ("data", "constants"):
        if f"{root}{part}.pkl" in members:
            held = _object(source, members[f"{root}{part}.pkl"])
            named = torch_objects.named_tensors(held, source.name)
            records = _Records(source, members, f"{root}{part}/")
            prefix = "" if part == "data" else "constants."
            found += tensors(((prefix + name, ref) for name, ref in named), records, source.name, source.size, big)
    return found


def _root(source: Source, members: dict[str, Member]) -> str:
    roots = [name.removesuffix("data.pkl") for name in members if name.endswith("data.pkl") and name.count("/") < 2]
    if len(roots) != 1 or not roots[0].endswith("/") and roots[0]:
        why = "is a zip file that holds no PyTorch weights (no data.pkl, or several); save it with torch.save"
        raise MalformedFile(source.name, why)
    return roots[0]


def _object(source: Source, member: Member) -> Any:
    _bounded(source, member)
    if member.size > MAX_PICKLE:
        raise MalformedFile(source.name, f"claims a pickle of {member.size} bytes; refused")
    text = io.BytesIO(member.read(0, member.size))
    return walk(text, source.name, torch_objects.reduce, torch_objects.storage)


def _bounded(source: Source, member: Member) -> None:
    if not member.stored and member.size > min(MAX_INFLATED, MAX_RATIO * max(member.packed, 1)):
        why = f"member {member.name[:80]!r} inflates to {member.size} bytes; refused (save it again with torch.save)"
        raise MalformedFile(source.name, why)


class _Records:
    """Storage key -> its member of the archive."""

    def __init__(self, source: Source, members: dict[str, Member], folder: str) -> None:
        self._source, self._members, self._folder = source, members, folder

    def __call__(self, key: str) -> Record | None:
        member = self._members.get(self._folder + key)
        if member is None:
            return None
        _bounded(self._source, member)
        return Record(member.size, member.read)
