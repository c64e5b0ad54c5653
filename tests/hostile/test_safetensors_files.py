"""safetensors files and shard indices that lie."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whosenet.errors import UnreadableInput
from whosenet.weights import open_weights


def write(path: Path, header: Any, data: bytes = bytes(16), length: int | None = None) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


def entry(shape: Any = (2, 2), span: Any = (0, 16), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": span}


def refused(path: Path, match: str | None = None) -> None:
    with pytest.raises(UnreadableInput, match=match) as caught:
        open_weights(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "bad",
    [
        entry((2, 3)), entry((2, 2), (0, 12)), entry((2, 2), (4, 20)), entry((2, 2), (-16, 0)), entry((2, 2), (16, 0)),
        entry((-2, -2)), entry((1 << 62, 1 << 62)), entry((1 << 40, 1), (0, 1 << 42)), entry((2,) * 70),
        entry((2, 2), (0, 10**400)), entry((10**400,)), entry((2.0, 2)), entry((True, 4)), entry("22"), entry(None),
        entry((2, 2), None), entry((2, 2), (0, 16, 32)), entry((2, 2), "ab"), entry(dtype=None), entry(dtype=[]),
        {}, [], None, 3, "text", {"dtype": "F32"},
    ],
)  # fmt: skip
def test_entries_that_lie(tmp_path: Path, bad: Any) -> None:
    refused(write(tmp_path / "m.safetensors", {"w": bad}))


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000, b'{"w":' * 100_000, b"[]", b"null", b"", b"{", b"\xff\xfe", b"[" + b"[]," * 3_000_000 + b"[]]",
        b'{"w": 1e999}', b'{"' + b"9" * 50_000 + b'": 3}',
        b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}',
    ],
    ids=lambda header: f"{bytes(header[:12])!r}",
)  # fmt: skip
def test_headers_that_lie(tmp_path: Path, header: bytes) -> None:
    refused(write(tmp_path / "m.safetensors", header))


@pytest.mark.parametrize("length", [1 << 60, (1 << 64) - 1, 1 << 30, 1_000])
def test_header_lengths_that_lie(tmp_path: Path, length: int) -> None:
    refused(write(tmp_path / "m.safetensors", {"w": entry()}, length=length), "claims a header")


def test_tensors_that_share_bytes(tmp_path: Path) -> None:
    for other in ((8, 24), (0, 16), (4, 8)):
        shape = [(other[1] - other[0]) // 4]
        header = {"a": entry(), "b": entry(shape, other)}
        refused(write(tmp_path / "m.safetensors", header, bytes(32)), "shares bytes")


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 40])
def test_files_cut_short(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "m.safetensors", {"w": entry()})
    path.write_bytes(path.read_bytes()[:size])
    refused(path)


@pytest.mark.parametrize(
    "index",
    [
        {}, {"weight_map": {}}, {"weight_map": {"w": 3}}, {"weight_map": ["a"]},
        {"weight_map": {"w": "absent.safetensors"}}, {"weight_map": {"elsewhere": "m.safetensors"}},
        {"weight_map": {"w": "../m.safetensors"}}, {"weight_map": {"w": "/etc/passwd"}}, {"weight_map": {"w": ""}},
        {"weight_map": {"w": "\0"}}, {"weight_map": {"w": "m.safetensors.index.json"}}, {"weight_map": {"w": "."}},
        {"weight_map": {f"w{i}": f"{i}.safetensors" for i in range(2_000)}},
    ],
)  # fmt: skip
def test_indices_that_lie(tmp_path: Path, index: Any) -> None:
    write(tmp_path / "m.safetensors", {"w": entry()})
    path = tmp_path / "m.safetensors.index.json"
    path.write_text(json.dumps(index))
    with pytest.raises(UnreadableInput) as caught:
        open_weights(path)
    assert str(tmp_path) in str(caught.value) or "/etc" in str(caught.value)


def test_nan_and_infinity_are_numbers_too(tmp_path: Path) -> None:
    data = np.array([np.nan, np.inf, -np.inf, 0], np.float32)
    with open_weights(write(tmp_path / "m.safetensors", {"w": entry()}, data.tobytes())) as weights:
        np.testing.assert_array_equal(weights.tensors[0].read().reshape(-1), data)


GOOD = json.dumps({"__metadata__": {"a": "b"}, "w": entry(), "v": entry((3,), (16, 22), "BF16")}).encode()
GOOD = struct.pack("<Q", len(GOOD)) + GOOD + bytes(22)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), max_size=5),
    st.integers(1, len(GOOD)) | st.just(len(GOOD)),
)
@pytest.mark.filterwarnings("ignore::whosenet.errors.WhosenetWarning")
def test_fuzz(tmp_path: Path, edits: list[tuple[int, int]], size: int) -> None:
    broken = bytearray(GOOD)
    for at, value in edits:
        broken[at] = value
    path = tmp_path / "m.safetensors"
    path.write_bytes(broken[:size])
    try:
        with open_weights(path) as weights:
            for tensor in weights.tensors:
                assert tensor.read().shape == tensor.shape
    except UnreadableInput as error:
        assert "\n" not in str(error)
