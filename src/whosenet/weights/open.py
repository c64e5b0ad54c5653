"""Any path to its weights: pick the source, let the content decide the reader."""

from __future__ import annotations

import os
from pathlib import Path

from whosenet import registry
from whosenet.errors import MalformedFile, MissingExtra, UnknownFormat, UnreadableInput, WhosenetError
from whosenet.weights.base import Reader, Weights
from whosenet.weights.source import LocalFile, Source

HEAD = 64
INDICES = (".safetensors.index.json", ".bin.index.json")


def open_source(path: str | Path) -> Source:
    """A local file, or `hf://`, `http(s)://`, `s3://` ... through the `hub` extra."""
    text = str(path)
    if "://" in text:
        from whosenet.weights.remote import open_remote

        return open_remote(text)
    return LocalFile(path)


def open_weights(path: str | Path) -> Weights:
    """The weights at `path`, tensors unread: a file, a shard index, or a folder that holds just one of them.

    Raises UnreadableInput (or a subclass) with the file's name and the way out.
    """
    # os.path: Path.is_dir raises for a name too long and for a folder that may not be entered
    path = _inside(path) if "://" not in str(path) and os.path.isdir(path) else path  # noqa: PTH112
    source = open_source(path)
    try:
        reader = _reader(source)
        return reader.open(source)
    except WhosenetError:
        source.close()
        raise
    except ImportError as error:
        source.close()
        raise MissingExtra(reader.extra or "demo", f"{path}: reading {reader.name} files", path) from error
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, EOFError, OSError, AttributeError,
            RecursionError, MemoryError) as error:  # fmt: skip
        source.close()
        why = f"is not a readable {reader.name} file ({type(error).__name__}: {str(error)[:160]}); fetch it again"
        raise MalformedFile(path, why) from error


def _inside(folder: str | Path) -> Path:
    """The only shard index of a folder, else its only weight file."""
    try:
        files = sorted(file for file in Path(folder).iterdir() if file.is_file())
    except OSError as error:
        raise UnreadableInput(folder, f"cannot be listed ({error.strerror}); check its rights") from error
    indices = [file for file in files if file.name.lower().endswith(INDICES)]
    found = indices or [file for file in files if is_weight_file(file)]
    if len(found) != 1:
        some = ": " + ", ".join(file.name for file in found[:5]) if found else ""
        raise UnreadableInput(folder, f"is a folder with {len(found)} weight files{some}; name the one you mean")
    return found[0]


def _reader(source: Source) -> Reader:
    head = bytes(source.view(0, min(HEAD, source.size)))
    for cls in registry.plugins("format").values():
        reader: Reader = cls()
        if reader.sniff(head, source.name.lower()):
            return reader
    raise UnknownFormat(source.name, f"is in no format known here; known: {', '.join(registry.names('format'))}")


def is_weight_file(path: Path) -> bool:
    """Whether a folder walk should try the file: by its ending only (nothing is opened)."""
    return path.name.lower().endswith(suffixes())


def suffixes() -> tuple[str, ...]:
    return tuple(s for cls in registry.plugins("format").values() for s in cls.suffixes)
