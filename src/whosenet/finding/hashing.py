"""One file to its code and what is worth knowing beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from whosenet import registry
from whosenet.errors import UnreadableInput
from whosenet.hashes.base import Features, Hash, parse_signature
from whosenet.hashes.code import Code
from whosenet.weights import Weights, open_weights
from whosenet.weights.source import Source

DEFAULT = "nts"
BLOCK = 1 << 24


@dataclass(frozen=True)
class Hashed:
    """A readable model: its codes (one a method asked for), what was used of it, and the digest of its bytes."""

    path: str
    codes: tuple[Code, ...]
    format: str
    tensors: int
    """Tensors that entered the code."""
    parameters: int
    bytes: int
    mtime_ns: int
    digest: str
    features: Features = field(repr=False, compare=False)


def hasher(method: str | Hash | None = None) -> Hash:
    """A hash by name (`nts`), by signature (`nts/1(bits=512)`), or as it is. Raises UsageError."""
    if isinstance(method, Hash):
        return method
    if method and ("/" in method):
        return parse_signature(method)
    made: Hash = registry.load("hash", method or DEFAULT)()
    return made


def hash_file(path: str | Path, methods: list[Hash] | None = None, *, digest: bool = True) -> Hashed:
    """Hash one file. Raises UnreadableInput. `digest=False` skips the digest of the bytes (an empty string)."""
    methods = methods or [hasher()]
    with open_weights(path) as weights:
        features = [m.features(weights) for m in methods]
        codes = tuple(m.code_of(f, weights.name) for m, f in zip(methods, features, strict=True))
        return Hashed(
            path=str(path),
            codes=codes,
            format=weights.format,
            tensors=features[0].tensors,
            parameters=weights.parameters,
            bytes=weights.size,
            mtime_ns=modified(path),
            digest=digest_of(weights) if digest else "",
            features=features[0],
        )


def digest_of(weights: Weights) -> str:
    """BLAKE3 (hex) of all bytes of the model: the file, or its index and shards one after another."""
    whole = blake3()
    for source in weights.sources:
        for block in _blocks(source):
            whole.update(block)
    return whole.hexdigest()


def _blocks(source: Source):  # type: ignore[no-untyped-def]
    for start in range(0, source.size, BLOCK):
        yield source.view(start, min(BLOCK, source.size - start))


def modified(path: str | Path) -> int:
    """Modification time in ns, 0 for what is not a local file."""
    if "://" in str(path):
        return 0
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError as error:
        raise UnreadableInput(path, f"cannot be looked at ({error.strerror})") from error
