from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from damage import Edit, damaged, edits, refused
from hypothesis import given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _model(graph: bytes) -> bytes:
    return b"\x08\x0a" + _field(7, graph)


def _rich_model() -> bytes:
    """Every kind of tensor and node the reader knows, small."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=(1, 8, 3)).astype(np.float32)
    q, s = rng.integers(-8, 8, size=(4, 3)).astype(np.int8), np.ones(3, np.float32)
    constants = [numpy_helper.from_array(a, n) for n, a in (("w", w), ("q", q), ("s", s))]
    constants.append(helper.make_tensor("h", TensorProto.FLOAT16, (2, 2), np.ones(4, np.float16)))
    constants.append(helper.make_tensor("f", TensorProto.FLOAT, (2, 2), [1.0, 2, 3, 4]))
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=constants[0])], "b", [], [])
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s"], ["d"], axis=1),
        helper.make_node("LSTM", ["x", "w", "w"], ["y"], hidden_size=2),
        helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner),
    ]
    return bytes(helper.make_model(helper.make_graph(nodes, "g", [], [], constants)).SerializeToString())


RICH = _rich_model()


@settings(max_examples=250, deadline=None)
@given(changes=edits(), keep=st.sampled_from([1.0, 1.0, 0.99, 0.5, 0.1]))
def test_damage(tmp_path_factory: pytest.TempPathFactory, changes: list[Edit], keep: float) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.onnx"
    path.write_bytes(damaged(RICH, changes, keep))
    refused(path)


def test_every_truncation(tmp_path: Path) -> None:
    for length in range(1, len(RICH) - 8, 3):
        (tmp_path / "m.onnx").write_bytes(RICH[:length])
        assert refused(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x08" + b"\xff" * 400, "does not end"),
        (b"\x08\x0a\x3a" + b"\xff" * 9 + b"\x01", "breaks off"),
        (b"\x08\x0a\x3a\x7f", "breaks off"),
        (b"\x08\x0a\x12\x00", "no ONNX graph"),
        (b"\x0b\x0a\x12\x00", "wire type"),
        (b"\x00\x00\x00\x00", "field 0"),
        (b"garbage" * 9, "fetch it again"),
    ],
)
def test_no_protobuf(tmp_path: Path, body: bytes, message: str) -> None:
    (tmp_path / "m.onnx").write_bytes(body)
    assert message in refused(tmp_path / "m.onnx")


def test_graphs_nested_without_end(tmp_path: Path) -> None:
    graph = b""
    for _ in range(2_000):
        graph = _field(1, _field(4, b"If") + _field(5, _field(1, b"then_branch") + _field(6, graph)))
    (tmp_path / "m.onnx").write_bytes(_model(graph))
    assert "deep" in refused(tmp_path / "m.onnx")


def _initializer(dims: list[int], data: bytes, kind: int = 1) -> bytes:
    body = b"".join(b"\x08" + _varint(d & (1 << 64) - 1) for d in dims) + b"\x10" + _varint(kind)
    return _field(5, body + _field(8, b"w") + data)


@pytest.mark.parametrize(
    ("dims", "data"),
    [
        ([1 << 62, 1 << 62], _field(9, b"1234")),
        ([-1, 4], _field(9, b"1234")),
        ([2] * 9, _field(9, bytes(2048))),
        ([1000, 1000], _field(9, b"1234")),
        ([1000, 1000], _field(4, b"1234")),
        ([1000], b"\x25abcd"),
        ([1000, 1000], b""),
        ([1 << 39, 2], b""),
    ],
)
def test_impossible_tensors(tmp_path: Path, dims: list[int], data: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(_model(_initializer(dims, data)))
    assert refused(tmp_path / "m.onnx")


def test_stacked_gates_of_impossible_size(tmp_path: Path) -> None:
    node = _field(1, _field(1, b"x") + _field(1, b"w") + _field(4, b"LSTM"))
    (tmp_path / "m.onnx").write_bytes(_model(_initializer([1, 1 << 40, 0], b"") + node))
    refused(tmp_path / "m.onnx")


def test_constants_that_refer_to_themselves(tmp_path: Path) -> None:
    loop = _field(1, _field(1, b"a") + _field(2, b"a") + _field(4, b"Identity"))
    user = _field(1, _field(1, b"a") + _field(1, b"a") + _field(4, b"DequantizeLinear"))
    (tmp_path / "m.onnx").write_bytes(_model(loop + user))
    assert not refused(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("location", "offset", "message"),
    [
        ("/etc/passwd", "0", "outside"),
        ("../outside.bin", "0", "outside"),
        ("", "0", "refers"),
        ("missing.bin", "0", "cannot be opened"),
        ("data.bin", "-4", "offset"),
        ("data.bin", "9" * 60, "offset"),
        ("data.bin", str(1 << 62), "past its end"),
        ("data.bin", "²", "offset"),
    ],
)
def test_external_data_elsewhere(tmp_path: Path, location: str, offset: str, message: str) -> None:
    (tmp_path / "data.bin").write_bytes(bytes(16))
    entries = b"".join(
        _field(13, _field(1, k) + _field(2, v.encode())) for k, v in ((b"location", location), (b"offset", offset))
    )
    (tmp_path / "m.onnx").write_bytes(_model(_initializer([2, 2], entries + b"\x70\x01")))
    assert message in refused(tmp_path / "m.onnx")


def test_numbers_stored_one_by_one_have_an_end(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(_model(_initializer([2, 2], b"\x25abcd" * 200_000)))
    assert "impossible" in refused(tmp_path / "m.onnx")
