"""Where bytes come from: a local file by memory map, a remote one by ranged reads. Never a whole file in memory."""

from __future__ import annotations

import io
import mmap
import os
import stat
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath

from whosenet.errors import MalformedFile, UnreadableInput


class Source(ABC):
    """Read-only bytes of known size. `name` is what messages call it."""

    name: str
    size: int

    @abstractmethod
    def view(self, offset: int, length: int) -> memoryview:
        """Exactly `length` bytes from `offset`; raises MalformedFile when they are not all there."""

    @abstractmethod
    def sibling(self, relative: str) -> Source:
        """A file in the same folder or below it (a shard, external data); anything else raises MalformedFile."""

    def close(self) -> None:  # noqa: B027 (nothing to release is fine)
        """Release what is held; the source is not used afterwards. (Views of a local file stay valid.)"""

    def file(self) -> io.BufferedReader:
        """A seekable binary file over the source, for libraries that want one (zipfile, h5py)."""
        return io.BufferedReader(_Raw(self), 1 << 16)

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.size:
            raise MalformedFile(
                self.name,
                f"ends too early: bytes {offset} to {offset + length} wanted, {self.size} there; fetch it again",
            )


def check_relative(name: str, relative: str) -> PurePosixPath:
    """`relative` as a path that stays inside the folder of `name`; MalformedFile otherwise (a hostile index)."""
    inside = PurePosixPath(relative)
    if inside.is_absolute() or ".." in inside.parts or "\\" in relative or "\0" in relative or not inside.parts:
        raise MalformedFile(name, f"refers to a file outside its folder ({relative[:80]!r}); refused")
    return inside


class LocalFile(Source):
    """A regular local file, memory-mapped. FIFOs, devices and folders are refused before they are opened."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = str(path)
        try:
            info = self.path.stat()
            _check_regular(path, info)
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise UnreadableInput(
                path, f"cannot be opened ({_reason(error)}); check the path and its rights"
            ) from error
        try:
            info = os.fstat(fd)
            _check_regular(path, info)
            self.size = info.st_size
            if self.size == 0:
                raise MalformedFile(path, "is empty; fetch it again")
            self._map = mmap.mmap(fd, self.size, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise UnreadableInput(path, f"cannot be memory-mapped ({_reason(error)})") from error
        finally:
            os.close(fd)

    def view(self, offset: int, length: int) -> memoryview:
        self._check(offset, length)
        if self._map.size() < self.size:  # touching what was cut off would kill the process (SIGBUS)
            raise MalformedFile(self.path, "was cut short while it was read; run it again")
        return memoryview(self._map)[offset : offset + length]

    def sibling(self, relative: str) -> LocalFile:
        target = self.path.parent / check_relative(self.name, relative)
        return LocalFile(target)


def _check_regular(path: str | Path, info: os.stat_result) -> None:
    """Checked before opening (a FIFO would block) and after (it may have been swapped in between)."""
    if stat.S_ISDIR(info.st_mode):
        raise UnreadableInput(path, "is a folder; name a weight file in it")
    if not stat.S_ISREG(info.st_mode):
        raise UnreadableInput(path, "is not a regular file; give a file that holds weights")


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class _Raw(io.RawIOBase):
    def __init__(self, source: Source) -> None:
        self._source, self._at = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        base = {0: 0, 1: self._at, 2: self._source.size}[whence]
        if base + offset < 0:
            raise OSError("negative seek position")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self._source.size - self._at))
        buffer[:count] = self._source.view(self._at, count) if count else b""
        self._at += count
        return count
