from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from damage import Edit, damaged, edits, refused
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("gguf")


def _text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def _head(tensors: int, values: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, values)


def _entry(name: bytes, dims: list[int], kind: int, offset: int) -> bytes:
    return _text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def _model() -> bytes:
    """One of everything: a string, an array of strings, an array of arrays, plain and block types."""
    strings = struct.pack("<IQ", 8, 2) + _text(b"a") + _text(b"bc")
    nested = struct.pack("<IQ", 9, 1) + struct.pack("<IQI", 4, 1, 7)
    values = [(b"s", 8, _text(b"x")), (b"a", 9, strings), (b"n", 9, nested), (b"f", 6, struct.pack("<f", 1))]
    kv = b"".join(_text(k) + struct.pack("<I", kind) + body for k, kind, body in values)
    infos = _entry(b"w", [4, 3], 0, 0) + _entry(b"q", [256, 2], 12, 64) + _entry(b"r", [32, 2], 8, 352)
    head = _head(3, len(values)) + kv + infos
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + np.random.default_rng(0).bytes(512)


MODEL = _model()


def test_the_undamaged_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(MODEL)
    assert not refused(tmp_path / "m.gguf")


@settings(max_examples=250, deadline=None)
@given(changes=edits(), keep=st.sampled_from([1.0, 1.0, 1.0, 0.9, 0.3]))
def test_damage(tmp_path_factory: pytest.TempPathFactory, changes: list[Edit], keep: float) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    path.write_bytes(damaged(MODEL, changes, keep))
    refused(path)


def test_every_truncation(tmp_path: Path) -> None:
    for length in range(1, len(MODEL) - 128, 3):
        (tmp_path / "m.gguf").write_bytes(MODEL[:length])
        assert refused(tmp_path / "m.gguf")


def _nested(depth: int) -> bytes:
    return struct.pack("<IQ", 9, 1) * depth + struct.pack("<IQI", 4, 1, 7)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"GGUX" + bytes(60), "begin with GGUF"),
        (_head(0, 0, version=77) + bytes(40), "version"),
        (_head(1 << 60, 0), "claims"),
        (_head(0, 1 << 60), "claims"),
        (_head(0, 1) + _text(b"k") + struct.pack("<IQ", 8, 1 << 60), "string"),
        (_head(0, 1) + struct.pack("<Q", (1 << 64) - 1), "string"),
        (_head(0, 1) + _text(b"k") + struct.pack("<IIQ", 9, 4, 1 << 60), "breaks off"),
        (_head(0, 1) + _text(b"k") + struct.pack("<IIQ", 9, 8, 1 << 60) + bytes(80), "ends too early"),
        (_head(0, 1) + _text(b"k") + struct.pack("<I", 9) + _nested(40), "nested"),
        (_head(0, 1) + _text(b"k") + struct.pack("<I", 55), "value type"),
        (_head(0, 1) + _text(b"general.alignment") + struct.pack("<II", 4, 0), "alignment"),
        (_head(1, 0) + _text(b"w") + struct.pack("<I", 1 << 30), "dimensions"),
        (_head(1, 0) + _entry(b"w", [1 << 62, 1 << 62], 0, 0) + bytes(64), "impossible shape"),
        (_head(1, 0) + _entry(b"w", [4], 0, (1 << 64) - 8) + bytes(64), "past its end"),
        (_head(1, 0) + _entry(b"w", [1 << 20], 12, 0) + bytes(64), "whole blocks"),
        (_head(1, 0) + _entry(b"w", [100], 12, 0) + bytes(999), "whole blocks"),
        (_head(1, 0) + _entry(b"w", [], 12, 0) + bytes(999), "whole blocks"),
    ],
)
def test_impossible_headers(tmp_path: Path, body: bytes, message: str) -> None:
    (tmp_path / "m.gguf").write_bytes(body)
    assert message in refused(tmp_path / "m.gguf")
