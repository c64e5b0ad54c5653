"""Torch files made to run code, to eat memory or time, or to read outside their bounds."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whosenet.errors import MalformedFile, UnreadableInput
from whosenet.weights import open_weights
from whosenet.weights.torch_legacy import MAGIC
from whosenet.weights.unpickle import Opaque, walk

PROTO = b"\x80\x02"
MAGIC_PICKLE = PROTO + b"\x8a\x0a" + MAGIC + b"."
LEGACY_START = MAGIC_PICKLE + PROTO + b"M\xe9\x03." + PROTO + b"}."
"""Everything of a legacy file before its object."""


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def numbers(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(map(number, values)) + b"t"


def tensor(shape: tuple[int, ...], stride: tuple[int, ...], offset: int = 0, numel: int = 4, key: str = "0") -> bytes:
    """Opcodes that push a float32 tensor."""
    identity = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + number(numel) + b"tQ"
    args = identity + number(offset) + numbers(shape) + numbers(stride) + b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + args + b"tR"


def archive(path: Path, body: bytes, storages: dict[str, bytes] | None = None, **how: Any) -> Path:
    """A torch zip whose data.pkl has this body (between PROTO and STOP)."""
    with zipfile.ZipFile(path, "w", **how) as file:
        file.writestr("a/data.pkl", PROTO + body + b".")
        for key, data in ({"0": bytes(16)} if storages is None else storages).items():
            file.writestr(f"a/data/{key}", data)
    return path


def legacy(path: Path, body: bytes, keys: bytes = b"].", rest: bytes = b"") -> Path:
    path.write_bytes(LEGACY_START + PROTO + body + b"." + PROTO + keys + rest)
    return path


def state(**tensors: bytes) -> bytes:
    return b"}(" + b"".join(text(name) + body for name, body in tensors.items()) + b"u"


@contextmanager
def bounded(megabytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes << 20
    finally:
        tracemalloc.stop()


def refused(path: Path, match: str | None = None) -> None:
    with pytest.raises(UnreadableInput, match=match) as caught:
        open_weights(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 1000


def test_the_helpers_make_good_files(tmp_path: Path) -> None:
    body = state(w=tensor((2, 2), (2, 1)))
    data = np.arange(4, dtype=np.float32)
    files = [
        archive(tmp_path / "a.pt", body, {"0": data.tobytes()}),
        legacy(tmp_path / "b.pt", body, b"]" + text("0") + b"a.", struct.pack("<q", 4) + data.tobytes()),
    ]
    for path in files:
        with open_weights(path) as weights:
            np.testing.assert_array_equal(weights.tensors[0].read(), data.reshape(2, 2))


@pytest.mark.parametrize("make", [archive, legacy])
@pytest.mark.parametrize(
    "payload",
    [
        b"cposix\nsystem\n" + text("touch {}") + b"\x85R",
        b"cos\nsystem\n(" + text("touch {}") + b"tR",
        b"(" + text("touch {}") + b"ios\nsystem\n",
        b"(cos\nsystem\n" + text("touch {}") + b"o",
        b"cbuiltins\neval\n" + text("open('{}', 'w')") + b"\x85R",
        b"cbuiltins\nexec\n" + text("open('{}', 'w')") + b"\x85\x81",
        text("os") + text("system") + b"\x93" + text("touch {}") + b"\x85R",
        b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN" + text("touch {}") + b"\x85NtR",
        b"cbuiltins\nobject\n)\x81}" + text("__setstate__") + b"cos\nsystem\nsb",
    ],
)
def test_no_payload_runs(tmp_path: Path, make: Any, payload: bytes) -> None:
    mark = tmp_path / "ran"
    for old in (text("touch {}"), text("open('{}', 'w')")):
        payload = payload.replace(old, text(old[5:].decode().replace("{}", str(mark))))
    assert str(mark).encode() in payload or b"__setstate__" in payload
    path = make(tmp_path / "m.pt", payload)
    with open_weights(path) as weights:
        assert not weights.tensors
    assert not mark.exists()


def test_the_payload_would_have_run(tmp_path: Path) -> None:
    """The same opcodes through pickle do run: the test above can fail."""
    mark = tmp_path / "ran"
    pickle.loads(PROTO + b"cos\nsystem\n" + text(f"touch {mark}") + b"\x85R.")
    assert mark.exists()


def test_nothing_a_pickle_names_is_imported(tmp_path: Path) -> None:
    import sys

    with open_weights(archive(tmp_path / "m.pt", b"cantigravity\nfly\n)R")):
        assert "antigravity" not in sys.modules


@pytest.mark.parametrize("make", [archive, legacy])
@pytest.mark.parametrize(
    "body",
    [
        b"\x8b\xff\xff\xff\x7f",  # LONG4 of 2 GB
        b"\x8e" + b"\xff" * 7 + b"\x0f",  # BINBYTES8 of 2^60
        b"\x8d" + b"\xff" * 7 + b"\x7f",  # BINUNICODE8
        b"\x96" + b"\xff" * 4 + b"\0" * 4,  # BYTEARRAY8 of 4 GB
        b"T\xff\xff\xff\x7f",  # BINSTRING of 2 GB
        b"L" + b"9" * 100_000 + b"L\n",
        b"R", b"(((", b"t", b"u", b"s", b"2", b"0", b"1", b"b", b"h\x07", b"\x86", b"Q", b"\x93", b"o",
        b"a", b"}a", b"Ns",
        b"\x82\x01", b"\x97", b"\x98",  # copyreg extensions, out-of-band buffers
        b"r\xff\xff\xff\xff", b"Nr\xff\xff\xff\xff", b"\xff", b"cno newline", b"}(Nu", b"PNone\n", b"](KaKbe}b",
    ],
)  # fmt: skip
def test_damaged_pickles(tmp_path: Path, make: Any, body: bytes) -> None:
    path = make(tmp_path / "m.pt", body)
    with bounded(80):
        try:
            with open_weights(path) as weights:
                assert not weights.tensors  # some leave an odd but harmless object
        except UnreadableInput as error:
            assert "\n" not in str(error)


def test_objects_shared_over_and_over_do_not_multiply(tmp_path: Path) -> None:
    """Thirty lists, each holding the one before ten times: 10^30 tensors in 1 KB."""
    body = tensor((2, 2), (2, 1)) + b"q\0"
    for level in range(1, 31):
        body += b"](" + b"h" + bytes([level - 1]) + b"2" * 9 + b"e" + b"q" + bytes([level])
    path = archive(tmp_path / "m.pt", body)
    with bounded(300):
        refused(path, "nested too deep or too often|more weights than it has bytes")


def test_empty_objects_shared_over_and_over(tmp_path: Path) -> None:
    body = b"]q\0"
    for level in range(1, 31):
        body += b"](" + b"h" + bytes([level - 1]) + b"2" * 9 + b"e" + b"q" + bytes([level])
    refused(archive(tmp_path / "m.pt", body), "nested too deep or too often")


def test_cycles_are_cut(tmp_path: Path) -> None:
    body = b"}q\0(" + text("self") + b"h\0" + text("w") + tensor((2, 2), (2, 1)) + b"u"
    with open_weights(archive(tmp_path / "m.pt", body)) as weights:
        assert [t.name for t in weights.tensors] == ["w"]


@pytest.mark.parametrize(
    "nest", [b"]" * 300_000 + b"a" * 299_999, b")" + b"\x85" * 300_000, b"(" * 300_000 + b"l" * 300_000]
)
@pytest.mark.parametrize("as_key", [False, True])
def test_deep_nesting(tmp_path: Path, nest: bytes, as_key: bool) -> None:
    body = b"}" + nest + b"Ns" if as_key else nest
    path = archive(tmp_path / "m.pt", body)
    if as_key:
        with open_weights(path) as weights:
            assert not weights.tensors
    else:
        refused(path, "nested too deep")


@pytest.mark.parametrize(
    ("shape", "stride", "offset", "numel"),
    [
        ((2, 3), (3, 1), 0, 6),  # the storage record is shorter than claimed
        ((5,), (1,), 0, 4), ((2, 2), (3, 1), 0, 4), ((2, 2), (2, 1), 1, 4), ((1,), (1,), 4, 4),
        ((1,), (1,), 1 << 62, 4),
        ((1 << 40, 1 << 40), (0, 0), 0, 4), ((1 << 30, 1 << 9), (0, 0), 0, 4), ((1 << 62,) * 5, (1,) * 5, 0, 4),
        ((2, 2), (-2, 1), 2, 4), ((-1, 2), (2, 1), 0, 4), ((2, 2), (2,), 0, 4), ((2,), (1,), -1, 4),
        ((2,) * 70, (0,) * 70, 0, 4), ((1 << 40,), (0,), 0, 4), ((2, 2), (1 << 61, 1), 0, 4), ((2,), (1,), 0, 1 << 62),
    ],
)  # fmt: skip
@pytest.mark.parametrize("make", [archive, legacy])
def test_tensors_that_leave_their_storage(
    tmp_path: Path, make: Any, shape: Any, stride: Any, offset: Any, numel: Any
) -> None:
    how = (b"]" + text("0") + b"a.", struct.pack("<q", 4) + bytes(16)) if make is legacy else ()
    path = make(tmp_path / "m.pt", state(w=tensor(shape, stride, offset, numel)), *how)
    with bounded(100):
        refused(path)


def test_many_views_of_one_storage(tmp_path: Path) -> None:
    """A thousand names for one storage of 1 MB: reading them would take a thousand times the file."""
    one = tensor((1 << 18,), (1,), numel=1 << 18)
    names = b"".join(text(f"w{i}") + b"h\0" for i in range(1000))
    path = archive(tmp_path / "m.pt", one + b"q\x000}(" + names + b"u", {"0": bytes(1 << 20)})
    refused(path, "far more weights than it has bytes")


def test_zip_bombs(tmp_path: Path) -> None:
    zeros = bytes(1 << 26)
    deflated = {"compression": zipfile.ZIP_DEFLATED}
    body = state(w=tensor((1 << 24,), (1,), numel=1 << 24))
    with bounded(400):
        refused(archive(tmp_path / "storage.pt", body, {"0": zeros}, **deflated), "inflates to")
        refused(archive(tmp_path / "pickle.pt", b"N" * (1 << 24), {}, **deflated), "inflates to")


def _patched(path: Path, edit: Any) -> Path:
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\1\2")
    edit(data, at)
    path.write_bytes(data)
    return path


def test_zip_directories_that_lie(tmp_path: Path) -> None:
    body = state(w=tensor((2, 2), (2, 1)))

    def larger(data: bytearray, at: int) -> None:
        data[at + 20 : at + 28] = struct.pack("<II", 1 << 20, 1 << 20)

    def overlapping(data: bytearray, at: int) -> None:
        data[at + 42 : at + 46] = struct.pack("<I", 0)

    def outside(data: bytearray, at: int) -> None:
        data[at + 42 : at + 46] = struct.pack("<I", 1 << 30)

    def unlike(data: bytearray, at: int) -> None:
        data[at + 20 : at + 24] = struct.pack("<I", 1)

    for edit in (larger, overlapping, outside, unlike):
        path = _patched(archive(tmp_path / f"{edit.__name__}.pt", body), edit)
        with pytest.raises(UnreadableInput), open_weights(path) as weights:
            weights.tensors[0].read()


def test_twins_in_the_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.pt", "w") as file:
        file.writestr("a/data.pkl", PROTO + b"}.")
        file.writestr("b/data.pkl", PROTO + b"}.")
    refused(tmp_path / "two.pt", "data.pkl")


def test_legacy_storages_that_lie(tmp_path: Path) -> None:
    body = state(w=tensor((2, 2), (2, 1)))
    key = b"]" + text("0") + b"a."
    refused(legacy(tmp_path / "none.pt", body), "lacks the storage")
    refused(legacy(tmp_path / "short.pt", body, key, struct.pack("<q", 4) + bytes(15)), "ends too early")
    refused(legacy(tmp_path / "strange.pt", body, b"](" + text("0") + text("7") + b"e."), "unknown type")
    refused(legacy(tmp_path / "twice.pt", body, b"](" + text("0") + text("0") + b"e."), "twice")
    refused(legacy(tmp_path / "sizes.pt", state(w=tensor((1,), (1,)), v=tensor((1,), (1,), numel=9)), key), "two sizes")
    path = legacy(tmp_path / "count.pt", body, key, struct.pack("<q", 3) + bytes(16))
    with open_weights(path) as weights, pytest.raises(MalformedFile, match="disagrees"):
        weights.tensors[0].read()


def _good(folder: Path, kind: str) -> bytes:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(4, 3))
    torch.save(model, folder / "good.pt", _use_new_zipfile_serialization=kind == "zip")
    return (folder / "good.pt").read_bytes()


@pytest.fixture(scope="module", params=["zip", "legacy"])
def good(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return _good(tmp_path_factory.mktemp("good"), request.param)


def survives(path: Path, data: bytes) -> None:
    """Reading either works or says why not; nothing else comes out."""
    path.write_bytes(data)
    try:
        with open_weights(path) as weights:
            for found in weights.tensors:
                assert found.read().shape == found.shape
    except UnreadableInput as error:
        assert "\n" not in str(error)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.filterwarnings("ignore::whosenet.errors.WhosenetWarning")
def test_fuzz_bytes(good: bytes, tmp_path: Path, data: st.DataObject) -> None:
    broken = bytearray(good)
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(0, 255)), max_size=8)):
        broken[at] = value
    survives(tmp_path / "m.pt", bytes(broken[: data.draw(st.integers(1, len(good)) | st.just(len(good)))]))


OPCODES = [op.code.encode("latin-1") for op in pickletools.opcodes]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(OPCODES) | st.binary(max_size=6) | st.just(tensor((2, 2), (2, 1))), max_size=40))
def test_fuzz_opcodes(parts: list[bytes]) -> None:
    try:
        walk(io.BytesIO(PROTO + b"".join(parts) + b"."), "m.pt", Opaque, lambda identity: identity)
    except MalformedFile as error:
        assert str(error).startswith("m.pt: ")
