"""Members of a zip file, read in place: stored ones are views, deflated ones are inflated as far as asked.

zipfile parses the directory; what it may allocate is bounded here, since the numbers in a directory are a stranger's.
"""

from __future__ import annotations

import struct
import threading
import zipfile
import zlib
from typing import IO, Any, cast

from whosenet.errors import MalformedFile
from whosenet.weights.source import Source

MAX_DIRECTORY = 1 << 24
"""Bytes of central directory (16 MB hold some 150,000 members)."""
MAX_RATIO = 1_032
"""Deflate cannot do better than 1032:1, so a member that claims more is lying."""
MAX_INFLATED = 1 << 36
"""Bytes one deflated member may claim (64 GB). It is never inflated into memory as a whole."""
STEP = 1 << 20
LOCAL_HEADER = 30


class Member:
    """One file of an archive. `read` is random access; deflated members are fast when read front to back."""

    def __init__(self, archive: Archive, info: zipfile.ZipInfo) -> None:
        self.name, self.size, self.packed = info.filename, info.file_size, info.compress_size
        self.stored = info.compress_type == zipfile.ZIP_STORED
        self._archive, self._info = archive, info
        self._offset: int | None = None
        self._stream: Any = None
        self._lock = threading.Lock()

    def read(self, start: int, length: int) -> memoryview:
        """Bytes [start, start + length); MalformedFile when they are not there or do not inflate."""
        source = self._archive.source
        if start < 0 or length < 0 or start + length > self.size:
            raise MalformedFile(source.name, f"member {self.name[:80]!r} ends too early; fetch the file again")
        if self.stored:
            return source.view(self._data_offset() + start, length)
        try:
            with self._lock:
                return memoryview(self._inflate(start, length))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
            why = f"member {self.name[:80]!r} does not inflate ({str(error)[:80]}); fetch the file again"
            raise MalformedFile(source.name, why) from error

    def _data_offset(self) -> int:
        if self._offset is None:
            at = self._info.header_offset
            head = bytes(self._archive.source.view(at, LOCAL_HEADER))
            if bytes(head[:4]) != b"PK\3\4":
                raise MalformedFile(
                    self._archive.source.name, f"member {self.name[:80]!r} has no header; fetch it again"
                )
            name, extra = struct.unpack("<HH", head[26:30])
            self._offset = at + LOCAL_HEADER + int(name) + int(extra)
        return self._offset

    def _inflate(self, start: int, length: int) -> bytearray:
        if self._stream is None or self._stream.tell() > start:
            self._stream = self._archive.zip.open(self._info)
        while self._stream.tell() < start:
            if not self._stream.read(min(STEP, start - self._stream.tell())):
                raise EOFError("the stream is shorter than it claims")
        out = bytearray()
        while len(out) < length:
            block = self._stream.read(min(STEP, length - len(out)))
            if not block:
                raise EOFError("the stream is shorter than it claims")
            out += block
        return out


class Archive:
    """The stored and deflated members of a zip file, in the order of its directory."""

    def __init__(self, source: Source) -> None:
        self.source = source
        try:
            self.zip = zipfile.ZipFile(cast(IO[bytes], _Bounded(source)))
            self.members = [
                Member(self, info) for info in self.zip.infolist() if not info.is_dir() and self._sane(info)
            ]
        except (zipfile.BadZipFile, struct.error, NotImplementedError, UnicodeDecodeError) as error:
            raise MalformedFile(source.name, f"is no complete zip file ({str(error)[:80]}); fetch it again") from error
        self._check_overlap()

    def _check_overlap(self) -> None:
        """Members that share bytes let a small file hold a huge archive (Fifield, "A better zip bomb", WOOT 2019)."""
        end = 0
        for info in sorted(self.zip.infolist(), key=lambda info: info.header_offset):
            if info.header_offset < end:
                why = f"member {info.filename[:80]!r} shares bytes with another; refused"
                raise MalformedFile(self.source.name, why)
            end = info.header_offset + LOCAL_HEADER + info.compress_size

    def find(self, name: str) -> Member | None:
        return next((member for member in self.members if member.name == name), None)

    def _sane(self, info: zipfile.ZipInfo) -> bool:
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise MalformedFile(
                self.source.name, f"member {info.filename[:80]!r} is encrypted or oddly compressed; store or deflate it"
            )
        stored = info.compress_type == zipfile.ZIP_STORED
        limit = info.compress_size if stored else min(MAX_INFLATED, info.compress_size * MAX_RATIO)
        if info.file_size > limit or info.compress_size > self.source.size:
            raise MalformedFile(
                self.source.name,
                f"member {info.filename[:80]!r} claims {info.file_size} bytes out of {info.compress_size}; refused",
            )
        return True


class _Bounded:
    """The source as a file that refuses to read more at once than a directory may take."""

    def __init__(self, source: Source) -> None:
        self._file, self._name, self._size = source.file(), source.name, source.size
        self.seek, self.tell = self._file.seek, self._file.tell

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = size if size >= 0 else self._size - self.tell()
        if size > MAX_DIRECTORY:
            raise MalformedFile(self._name, f"claims a zip directory of {size} bytes; refused")
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()
