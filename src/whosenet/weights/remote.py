"""Weight files elsewhere: `https://`, `s3://`, `hf://` ... by ranged reads, with a small cache and no local copy.

Only what is asked for is fetched, in blocks; the cache holds at most CACHED of them.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections import OrderedDict
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from whosenet.errors import MalformedFile, MissingExtra, UnreadableInput
from whosenet.weights.source import Source, check_relative

BLOCK = 1 << 22
CACHED = 16
"""Bytes of a block, and blocks kept: 64 MB at most."""
TIMEOUT = 30.0
"""Seconds a server may stay silent, to connect or between two packets."""
PREFERRED = (".safetensors.index.json", ".bin.index.json", ".safetensors", "pytorch_model.bin", ".gguf", ".onnx")
"""Which weight file of a repository or folder to take: the first kind there is, the first of it by name."""


def open_remote(text: str, *, timeout: float = TIMEOUT) -> Source:
    """The file at a URL; for `hf://org/name[@revision]` and folders of an object store, the weight file in it.

    Raises MissingExtra without the `hub` extra, UnreadableInput with the address and the reason for all else.
    """
    scheme = text.partition("://")[0].lower()
    if importlib.util.find_spec("fsspec") is None:
        raise MissingExtra("hub", f"reading {scheme}:// addresses")
    try:
        return _Http(text, timeout) if scheme in ("http", "https") else _Stored(text)
    except ImportError as error:
        raise MissingExtra("hub", f"reading {scheme}:// addresses") from error


def bare(url: str) -> str:
    """The address without what may be secret in it: user, password, query (signatures) and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UnreadableInput(url, f"is no address ({error}); check it") from error
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class _Remote(Source, ABC):
    """Blocks in a cache; ranges longer than the cache go past it. Not for use by two threads at once."""

    def __init__(self, url: str) -> None:
        self.url, self.name = url, bare(url)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    @abstractmethod
    def _fetch(self, start: int, stop: int) -> bytes:
        """Bytes [start, stop) from the other side, any length; whatever it raises becomes UnreadableInput."""

    def view(self, offset: int, length: int) -> memoryview:
        self._check(offset, length)
        out, at = bytearray(length), offset
        keep = length <= BLOCK * CACHED
        while at < offset + length:
            number = at // BLOCK
            block = self._block(number, keep)
            part = block[at - number * BLOCK : offset + length - number * BLOCK]
            out[at - offset : at - offset + len(part)] = part
            at += len(part)
        return memoryview(out).toreadonly()

    def _block(self, number: int, keep: bool) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start, stop = number * BLOCK, min((number + 1) * BLOCK, self.size)
        block = self._ask(start, stop)
        if len(block) != stop - start:
            raise MalformedFile(self.name, f"sent {len(block)} bytes for {stop - start}; download the file")
        if keep:
            self._blocks[number] = block
            if len(self._blocks) > CACHED:
                self._blocks.popitem(last=False)
        return block

    def _ask(self, start: int, stop: int) -> bytes:
        try:
            return self._fetch(start, stop)
        except (UnreadableInput, ImportError):
            raise
        except Exception as error:  # every store has exceptions of its own
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> UnreadableInput:
        said = " ".join(str(error).replace(self.url, self.name).split())[:200] or type(error).__name__
        if isinstance(error, TimeoutError):
            said = "it does not answer in time"
        elif type(error).__name__ in ("IncompleteReadError", "ClientPayloadError"):
            said = "the connection ended early"
        return UnreadableInput(self.name, f"cannot be fetched ({said}); check the address, or download the file")

    def close(self) -> None:
        self._blocks.clear()


class _Http(_Remote):
    """One GET with a Range header a block. The first tells the size too: signed links refuse HEAD."""

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__(url)
        import aiohttp
        import fsspec

        self._timeout = timeout
        limits = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
        self._fs: Any = fsspec.filesystem("http", client_kwargs={"timeout": limits}, skip_instance_cache=True)
        self.size, self._known = BLOCK, False
        first = self._ask(0, BLOCK)
        if not first:
            raise MalformedFile(self.name, "is empty; check the address")
        if len(first) != min(BLOCK, self.size):
            raise MalformedFile(self.name, f"sent {len(first)} bytes of {self.size}; download the file")
        self._blocks[0] = first

    def _fetch(self, start: int, stop: int) -> bytes:
        from fsspec.asyn import sync

        # BLOCK bytes at a byte rate of 128 KiB/s: a server that drips cannot hold a caller for ever
        body: bytes = sync(self._fs.loop, self._get, start, stop, timeout=self._timeout + BLOCK / 131_072)
        return body

    async def _get(self, start: int, stop: int) -> bytes:
        session = await self._fs.set_session()
        headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
        async with session.get(self._fs.encode_url(self.url), headers=headers) as answer:
            if answer.status >= 400:
                raise OSError(f"HTTP {answer.status} {answer.reason}")
            return bytes(await answer.content.readexactly(self._length(answer, start, stop)))

    def _length(self, answer: Any, start: int, stop: int) -> int:
        """How many bytes to read of an answer, and the size of the file where the answer says it."""
        if answer.status == 206:
            unit, _, total = answer.headers.get("Content-Range", "").partition("/")
            if unit.strip().startswith(f"bytes {start}-") and total.isdecimal() and len(total) < 20:
                self._sized(int(total))
                return min(stop, self.size) - start
        length = answer.headers.get("Content-Length", "")
        if answer.status == 200 and start == 0 and length.isdecimal() and int(length) <= BLOCK:
            self._sized(int(length))
            return self.size
        why = "comes from a server that does not serve parts of files (Range); download it and give its path"
        raise UnreadableInput(self.name, why)

    def _sized(self, size: int) -> None:
        if self._known and size != self.size:
            raise UnreadableInput(self.name, "changed while it was read; run it again")
        self.size, self._known = size, True

    def sibling(self, relative: str) -> Source:
        parts = urlsplit(self.url)
        folder = parts.path.rpartition("/")[0]
        path = f"{folder}/{check_relative(self.name, relative)}"
        return _Http(urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")), self._timeout)


class _Stored(_Remote):
    """An object of any store fsspec knows (s3, gs, az, hf, memory ...), by its `cat_file` with a range."""

    def __init__(self, url: str, filesystem: Any = None) -> None:
        super().__init__(url)
        import fsspec

        self._path = ""
        try:
            self._fs, self._path = (filesystem, url) if filesystem else fsspec.core.url_to_fs(url)
            info = self._fs.info(self._path)
            if info["type"] == "directory":
                self._path = self._pick()
                info, self.name = self._fs.info(self._path), f"{url.partition('://')[0]}://{self._path.lstrip('/')}"
            self.size = int(info["size"])
        except (UnreadableInput, ImportError):
            raise
        except Exception as error:  # every store has exceptions of its own
            raise self._unreadable(error) from error
        if self.size == 0:
            raise MalformedFile(self.name, "is empty; check the address")

    def _pick(self) -> str:
        files = sorted(entry["name"] for entry in self._fs.ls(self._path, detail=True) if entry["type"] == "file")
        for ending in PREFERRED:
            if named := [name for name in files if name.lower().endswith(ending)]:
                return str(named[0])
        raise UnreadableInput(self.name, f"is a folder without a weight file here ({len(files)} files); name the file")

    def _fetch(self, start: int, stop: int) -> bytes:
        return bytes(self._fs.cat_file(self._path, start=start, end=stop))

    def sibling(self, relative: str) -> Source:
        folder = self._path.rpartition("/")[0]
        scheme = self.url.partition("://")[0]
        path = f"{folder}/{check_relative(self.name, relative)}"
        made = _Stored(path, self._fs)
        made.name = f"{scheme}://{path.lstrip('/')}"
        return made
