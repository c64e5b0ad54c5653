"""Ranged reads, against a server of our own on this machine and fsspec's store in memory."""

from __future__ import annotations

import json
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whosenet.errors import MissingExtra, UnreadableInput
from whosenet.weights import open_weights, remote
from whosenet.weights.remote import BLOCK, bare, open_remote

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")


class Shop(ThreadingHTTPServer):
    """Serves `files`; `mood` is what it does wrong; `served` counts the bytes of bodies it sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.mood, self.served, self.requests = "", 0, 0
        self.stop = threading.Event()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up on a bad server is what is tested."""


class Handler(BaseHTTPRequestHandler):
    server: Shop
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        shop, mood = self.server, self.server.mood
        shop.requests += 1
        body = shop.files.get(self.path.partition("?")[0])
        if mood == "hang":
            shop.stop.wait(20)
            return
        if body is None or mood == "forbidden":
            self.send_error(403 if mood == "forbidden" else 404)
            return
        if mood == "redirect" and "?moved" not in self.path:
            self.send_response(302)
            self.send_header("Location", f"{self.path}?moved")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.answer(body, mood)

    def answer(self, body: bytes, mood: str) -> None:
        start, stop, total = 0, len(body), len(body)
        ranged = self.headers.get("Range", "").removeprefix("bytes=")
        if ranged and mood != "ignores ranges":
            first, _, last = ranged.partition("-")
            start, stop = int(first), min(int(last) + 1, total)
            self.send_response(206)
            shift = 5 if mood == "other range" else 0
            claimed = total * 1000 if mood == "claims more" else total + (start > 0 and mood == "changes")
            self.send_header("Content-Range", f"bytes {start + shift}-{stop - 1}/{claimed}")
        else:
            self.send_response(200)
        part = body[start:stop]
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if mood == "cuts off" or (mood == "drips" and start):
            self.wfile.write(part[: len(part) // 2])
            self.wfile.flush()
            self.server.stop.wait(20 if mood == "drips" else 0)
            self.close_connection = True
            return
        self.server.served += len(part)
        self.wfile.write(part)


@pytest.fixture
def shop() -> Iterator[Shop]:
    server = Shop()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    server.server_close()


def safetensors(**arrays: np.ndarray) -> bytes:
    header, at = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [at, at := at + array.nbytes]}
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + b"".join(a.tobytes() for a in arrays.values())


BIG = np.random.default_rng(0).normal(size=(10, 1 << 20)).astype(np.float32)
SMALL = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_only_what_is_read_is_fetched(shop: Shop) -> None:
    shop.files["/m.safetensors"] = safetensors(w=BIG)
    with open_weights(shop.url("/m.safetensors")) as weights:
        assert weights.parameters == BIG.size and weights.size == len(shop.files["/m.safetensors"])
        assert shop.served <= BLOCK and shop.requests == 1
        np.testing.assert_array_equal(weights.tensors[0].read(7, 8), BIG[7:8])
        assert shop.served <= 3 * BLOCK
        np.testing.assert_array_equal(weights.tensors[0].read(), BIG)
        assert shop.served == len(shop.files["/m.safetensors"])


def test_the_cache_is_bounded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "BLOCK", 1 << 12)
    monkeypatch.setattr(remote, "CACHED", 4)
    data = shop.files["/f"] = np.random.default_rng(1).bytes(100_000)
    source = open_remote(shop.url("/f"))
    for offset, length in ((0, 1), (4_000, 500), (50_000, 1), (99_999, 1), (0, 100_000), (10, 16_000), (3, 0)):
        assert bytes(source.view(offset, length)) == data[offset : offset + length]
        assert len(source._blocks) <= 4  # type: ignore[attr-defined]


def test_torch_zip_over_http_reads_the_directory_then_what_is_asked(shop: Shop, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({f"w{i}": torch.from_numpy(BIG) + i for i in range(2)}, tmp_path / "m.pt")
    shop.files["/m.pt"] = (tmp_path / "m.pt").read_bytes()
    with open_weights(shop.url("/m.pt")) as weights:
        assert shop.served <= 2 * BLOCK
        np.testing.assert_array_equal(weights.tensors[1].read(3, 4), BIG[3:4] + 1)
        assert shop.served <= 5 * BLOCK


def test_shards_and_signed_links(shop: Shop) -> None:
    shop.files["/a/one.safetensors"] = safetensors(w=SMALL)
    shop.files["/a/two.safetensors"] = safetensors(v=SMALL + 1)
    index = {"weight_map": {"w": "one.safetensors", "v": "two.safetensors"}}
    shop.files["/a/m.safetensors.index.json"] = json.dumps(index).encode()
    with open_weights(shop.url("/a/m.safetensors.index.json?token=SECRET")) as weights:
        assert {t.name: t.read()[1, 1] for t in weights.tensors} == {"w": 4.0, "v": 5.0}
        assert "SECRET" not in weights.name + str([s.name for s in weights.sources])


def test_redirects_and_small_files_from_simple_servers(shop: Shop) -> None:
    shop.files["/m.safetensors"] = safetensors(w=SMALL)
    for mood in ("redirect", "ignores ranges"):
        shop.mood = mood
        with open_weights(shop.url("/m.safetensors")) as weights:
            np.testing.assert_array_equal(weights.tensors[0].read(), SMALL)


@pytest.mark.parametrize(
    ("mood", "why"),
    [
        ("ignores ranges", "does not serve parts of files"), ("other range", "does not serve parts of files"),
        ("forbidden", "HTTP 403"), ("hang", "does not answer in time"), ("drips", "does not answer in time"),
        ("cuts off", "ended early"), ("claims more", "ended early"), ("changes", "changed while it was read"),
    ],
)  # fmt: skip
def test_bad_servers(shop: Shop, mood: str, why: str) -> None:
    shop.files["/m.safetensors"] = safetensors(w=BIG)
    shop.mood = mood
    began = time.monotonic()
    with pytest.raises(UnreadableInput, match=why) as caught:
        source = open_remote(shop.url("/m.safetensors?token=SECRET"), timeout=0.5)
        source.view(source.size - BLOCK, BLOCK)
    message = str(caught.value)
    assert "/m.safetensors" in message and "\n" not in message and "SECRET" not in message and len(message) < 400
    assert time.monotonic() - began < 10 and shop.served <= len(shop.files["/m.safetensors"])


def test_what_is_not_there(shop: Shop) -> None:
    shop.files["/empty"] = b""
    lost = ["http://127.0.0.1:9/x", "nosuch://host/x"]
    odd = {shop.url("/absent"): "HTTP 404", shop.url("/empty"): "empty|parts", "http://[x": "no address"}
    for url, why in (odd | dict.fromkeys(lost, "cannot be fetched")).items():
        with pytest.raises(UnreadableInput, match=why) as caught:
            open_weights(url)
        assert "\n" not in str(caught.value)


def test_a_truncated_remote_file(shop: Shop) -> None:
    shop.files["/m.safetensors"] = safetensors(w=SMALL)[:-1]
    with pytest.raises(UnreadableInput, match="past the end"):
        open_weights(shop.url("/m.safetensors"))


def test_secrets_stay_out_of_names() -> None:
    assert bare("https://me:word@host:1/a/b.pt?sig=1#x") == "https://host:1/a/b.pt"


@pytest.fixture
def store() -> Iterator[Any]:
    filesystem = fsspec.filesystem("memory")
    yield filesystem
    filesystem.rm("/models", recursive=True)


def test_any_store_and_the_weight_file_of_a_folder(store: Any) -> None:
    store.pipe("/models/net/pytorch_model.bin", b"not this one")
    store.pipe("/models/net/config.json", b"{}")
    store.pipe("/models/net/model.safetensors", safetensors(w=SMALL))
    for url in ("memory://models/net/model.safetensors", "memory://models/net"):
        with open_weights(url) as weights:
            assert weights.name == "memory://models/net/model.safetensors"
            np.testing.assert_array_equal(weights.tensors[0].read(), SMALL)
    store.pipe("/models/net/a.safetensors", safetensors(v=SMALL))
    store.pipe("/models/net/model.safetensors.index.json", json.dumps({"weight_map": {"v": "a.safetensors"}}).encode())
    with open_weights("memory://models/net") as weights:
        assert [t.name for t in weights.tensors] == ["v"]
    with pytest.raises(UnreadableInput, match="absent"):
        open_weights("memory://models/absent.pt")
    store.pipe("/models/none/readme.md", b"x")
    with pytest.raises(UnreadableInput, match="without a weight file.*name the file"):
        open_weights("memory://models/none")


def test_hub_addresses_go_to_the_hub(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """hf://org/name[@revision] is fsspec's own protocol name for the hub; here the store in memory stands in for it."""
    store.pipe("/models/name@v1/model.safetensors", safetensors(w=SMALL))
    asked = []

    def url_to_fs(url: str, **_: Any) -> tuple[Any, str]:
        asked.append(url)
        return store, "/" + url.partition("://")[2]

    monkeypatch.setattr(fsspec.core, "url_to_fs", url_to_fs)
    with open_weights("hf://models/name@v1") as weights:
        assert weights.name == "hf://models/name@v1/model.safetensors" and asked == ["hf://models/name@v1"]


def test_the_hub_is_a_protocol_fsspec_knows() -> None:
    pytest.importorskip("huggingface_hub")
    assert fsspec.get_filesystem_class("hf").__name__ == "HfFileSystem"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"whosenet\[hub\]"):
        open_weights("hf://org/name")
