"""One file to its code and what is worth knowing beside it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from whosenet import registry
from whosenet.errors import MalformedFile, TooFewWeights, UnreadableInput, UsageError
from whosenet.hashes.base import Features, Hash, parse_signature
from whosenet.hashes.code import Code
from whosenet.weights import Weights, open_weights
from whosenet.weights.source import LocalFile, Source

DEFAULT = "nts"
LAUNDERED = "invariant"
"""The second code: what rearranging the units of a model does not change."""
BLOCK = 1 << 24


@dataclass(frozen=True)
class Hashed:
    """A readable model: its codes (one a method that finds enough weights), what was used of it, its digest."""

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
    notes: tuple[str, ...] = ()
    """What the reader left out, if anything."""


def hasher(method: str | Hash | None = None) -> Hash:
    """A hash by name (`nts`), by signature (`nts/1(bits=512)`), or as it is. Raises UsageError."""
    if isinstance(method, Hash):
        return method
    if method and ("/" in method):
        return parse_signature(method)
    if method and "(" in method:
        raise UsageError(f"no hash called {method!r}; give the version, too: {method.replace('(', '/1(', 1)}")
    made: Hash = registry.load("hash", method or DEFAULT)()
    return made


def stored(method: str | None = None) -> list[Hash]:
    """What a library keeps of each model: the one method asked for, or both codes."""
    return [hasher(method)] if method else [hasher(DEFAULT), hasher(LAUNDERED)]


def hash_file(path: str | Path, methods: list[Hash] | None = None, *, digest: bool = True) -> Hashed:
    """Hash one file. Raises UnreadableInput, also if no method finds enough weights. `digest=False` skips the digest of
    the bytes (an empty string)."""
    methods = methods or [hasher()]
    with open_weights(path) as weights, readable(path):
        features = [m.features(weights) for m in methods]
        codes = [_code(m, f, weights.name) for m, f in zip(methods, features, strict=True)]
        if isinstance(codes[0], TooFewWeights) and not any(isinstance(c, Code) for c in codes):
            raise codes[0]
        return Hashed(
            path=str(path),
            codes=tuple(c for c in codes if isinstance(c, Code)),
            format=weights.format,
            tensors=features[0].tensors,
            parameters=weights.parameters,
            bytes=weights.size,
            mtime_ns=modified(weights.sources),
            digest=digest_of(weights) if digest else "",
            features=features[0],
        )


def _code(method: Hash, features: Features, name: str) -> Code | TooFewWeights:
    try:
        return method.code_of(features, name)
    except TooFewWeights as error:
        return error


def digest_of(weights: Weights) -> str:
    """BLAKE3 (hex) of all bytes of the model: the file, or its index and shards one after another."""
    whole = blake3()
    for source in weights.sources:
        for block in _blocks(source):
            whole.update(block)
    return whole.hexdigest()


def _blocks(source: Source) -> Iterator[memoryview]:
    for start in range(0, source.size, BLOCK):
        yield source.view(start, min(BLOCK, source.size - start))


def modified(sources: Sequence[Source]) -> int:
    """The latest modification time of a model's files in ns, 0 for what is not local."""
    times = [0]
    for source in sources:
        if isinstance(source, LocalFile):
            try:
                times.append(source.path.stat().st_mtime_ns)
            except OSError as error:
                raise UnreadableInput(source.name, f"cannot be looked at ({error.strerror})") from error
    return max(times)


def looked_at(path: str) -> tuple[int, int]:
    """Size and modification time (ns) of a local model with all its shards and external data; only headers are read."""
    with open_weights(path) as weights:
        return weights.size, modified(weights.sources)


@contextmanager
def readable(path: object) -> Iterator[None]:
    """Tensors are read late: what turns out to be damaged then is an error of the file, not of this program."""
    try:
        yield
    except (ValueError, KeyError, IndexError, TypeError, ArithmeticError, EOFError, OSError, AttributeError,
            RuntimeError, MemoryError, struct.error, zlib.error) as error:  # fmt: skip
        why = f"has damaged weights ({type(error).__name__}: {str(error)[:160]}); fetch it again"
        raise MalformedFile(path, why) from error
