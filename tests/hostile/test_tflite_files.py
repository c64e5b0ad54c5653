from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from damage import Edit, damaged, edits, refused
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tflite")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "weights"))
from test_tflite import FLOAT, INT4, INT8, make  # noqa: E402

RNG = np.random.default_rng(0)
MODEL = make(
    [
        {"name": "f", "type": FLOAT, "shape": (4, 3), "data": RNG.normal(size=12).astype(np.float32).tobytes()},
        {"name": "q", "type": INT8, "shape": (4, 6), "data": RNG.bytes(24), "scale": [0.5] * 4, "zero": [0] * 4},
        {"name": "n", "type": INT4, "shape": (3, 3), "data": RNG.bytes(5), "scale": [0.5], "zero": [1]},
    ],
    graphs=2,
)


def test_the_undamaged_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(MODEL)
    assert not refused(tmp_path / "m.tflite")


@settings(max_examples=400, deadline=None)
@given(changes=edits(), keep=st.sampled_from([1.0, 1.0, 1.0, 0.9, 0.3]))
def test_damage(tmp_path_factory: pytest.TempPathFactory, changes: list[Edit], keep: float) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.tflite"
    path.write_bytes(damaged(MODEL, changes, keep))
    refused(path)


def test_every_word_made_extreme(tmp_path: Path) -> None:
    """Each offset, length and count of the flatbuffer in turn."""
    for at in range(0, len(MODEL) - 4, 4):
        for value in (0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0):
            (tmp_path / "m.tflite").write_bytes(MODEL[:at] + struct.pack("<I", value) + MODEL[at + 4 :])
            refused(tmp_path / "m.tflite")


def test_truncations(tmp_path: Path) -> None:
    for length in range(1, len(MODEL) // 2, 5):
        (tmp_path / "m.tflite").write_bytes(MODEL[:length])
        assert refused(tmp_path / "m.tflite")


def test_wrong_identifier(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(MODEL[:4] + b"TFL9" + MODEL[8:])
    assert "schema version 3" in refused(tmp_path / "m.tflite")


@pytest.mark.parametrize(
    "tensor",
    [
        {"type": FLOAT, "shape": (1 << 30, 1 << 30), "data": bytes(16)},
        {"type": FLOAT, "shape": (-1, 4), "data": bytes(16)},
        {"type": FLOAT, "shape": (5, 1), "data": bytes(16)},
        {"type": INT8, "shape": (4, 4), "data": bytes(16), "scale": [1.0] * 3, "zero": [0] * 3},
        {"type": INT8, "shape": (4, 4), "data": bytes(16), "scale": [1.0] * 4, "zero": [0] * 4, "axis": 7},
        {"type": INT8, "shape": (4, 4), "data": bytes(16), "scale": [1.0] * 4, "zero": [0] * 4, "axis": -1},
    ],
)
def test_impossible_tensors(tmp_path: Path, tensor: dict[str, object]) -> None:
    (tmp_path / "m.tflite").write_bytes(make([{"name": "w", **tensor}]))
    assert refused(tmp_path / "m.tflite")
