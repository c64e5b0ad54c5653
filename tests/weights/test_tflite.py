from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
import pytest

from whosenet.weights import open_weights

tflite = pytest.importorskip("tflite")
SHARED = Path(__file__).resolve().parents[2] / "../shared/models"
RNG = np.random.default_rng(0)
FLOAT, HALF, INT32, INT8, INT4 = 0, 1, 2, 9, 17


def _vector(builder: flatbuffers.Builder, array: np.ndarray) -> int:
    return int(builder.CreateNumpyVector(np.ascontiguousarray(array)))


def _offsets(builder: flatbuffers.Builder, items: list[int]) -> int:
    builder.StartVector(4, len(items), 4)
    for item in reversed(items):
        builder.PrependUOffsetTRelative(item)
    return int(builder.EndVector())


def make(tensors: list[dict[str, object]], graphs: int = 1) -> bytes:
    """A model of `graphs` equal subgraphs with these tensors: name, type, shape, data (bytes), scale, zero, axis."""
    b = flatbuffers.Builder(1024)
    buffers = []
    for data in [b"", *(t["data"] for t in tensors)]:
        vector = b.CreateByteVector(data) if data else None
        tflite.BufferStart(b)
        if vector is not None:
            tflite.BufferAddData(b, vector)
        buffers.append(tflite.BufferEnd(b))
    built = []
    for index, t in enumerate(tensors):
        name, shape = b.CreateString(t["name"]), _vector(b, np.array(t["shape"], np.int32))
        quantised = None
        if "scale" in t:
            scale = _vector(b, np.array(t["scale"], np.float32))
            zero = _vector(b, np.array(t["zero"], np.int64))
            tflite.QuantizationParametersStart(b)
            tflite.QuantizationParametersAddScale(b, scale)
            tflite.QuantizationParametersAddZeroPoint(b, zero)
            tflite.QuantizationParametersAddQuantizedDimension(b, t.get("axis", 0))
            quantised = tflite.QuantizationParametersEnd(b)
        tflite.TensorStart(b)
        tflite.TensorAddShape(b, shape)
        tflite.TensorAddType(b, t["type"])
        tflite.TensorAddBuffer(b, index + 1)
        tflite.TensorAddName(b, name)
        if quantised is not None:
            tflite.TensorAddQuantization(b, quantised)
        built.append(tflite.TensorEnd(b))
    tensors_at = _offsets(b, built)
    subgraphs = []
    for _ in range(graphs):
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors_at)
        subgraphs.append(tflite.SubGraphEnd(b))
    graphs_at, buffers_at = _offsets(b, subgraphs), _offsets(b, buffers)
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddSubgraphs(b, graphs_at)
    tflite.ModelAddBuffers(b, buffers_at)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())


def _one(path: Path, **tensor: object) -> np.ndarray:
    path.write_bytes(make([{"name": "w", **tensor}]))
    with open_weights(path) as weights:
        (found,) = weights.tensors
        assert found.trained and weights.format == "tflite"
        whole = found.read()
        np.testing.assert_array_equal(np.concatenate([found.read(i, i + 1) for i in range(found.shape[0])]), whole)
        return whole


@pytest.mark.parametrize(("kind", "code"), [(np.float32, FLOAT), (np.float16, HALF)])
def test_floats(tmp_path: Path, kind: type, code: int) -> None:
    array = RNG.normal(size=(4, 3, 2)).astype(kind)
    found = _one(tmp_path / "m.tflite", type=code, shape=array.shape, data=array.tobytes())
    np.testing.assert_array_equal(found, array.astype(np.float32))


def test_int8_per_tensor(tmp_path: Path) -> None:
    q = RNG.integers(-128, 128, size=(4, 6), dtype=np.int8)
    found = _one(tmp_path / "m.tflite", type=INT8, shape=q.shape, data=q.tobytes(), scale=[0.25], zero=[-3])
    np.testing.assert_array_equal(found, (q.astype(np.float32) + 3) * 0.25)


@pytest.mark.parametrize("axis", [0, 3])
def test_int8_per_channel(tmp_path: Path, axis: int) -> None:
    q = RNG.integers(-127, 128, size=(5, 3, 3, 7), dtype=np.int8)
    scale = RNG.uniform(0.1, 1, size=q.shape[axis]).astype(np.float32)
    zero = np.zeros(q.shape[axis], np.int64)
    found = _one(tmp_path / "m.tflite", type=INT8, shape=q.shape, data=q.tobytes(), scale=scale, zero=zero, axis=axis)
    expected = q.astype(np.float32) * scale.reshape([-1 if i == axis else 1 for i in range(4)])
    np.testing.assert_array_equal(found, expected)


def test_int4_low_half_first(tmp_path: Path) -> None:
    q = np.array([[-8, 7, 1], [2, -1, 0], [3, 4, 5]], np.int8)
    flat = np.append(q.reshape(-1), 0) & 15
    packed = (flat[0::2] | (flat[1::2] << 4)).astype(np.uint8)
    found = _one(tmp_path / "m.tflite", type=INT4, shape=q.shape, data=packed.tobytes(), scale=[1.0], zero=[0])
    np.testing.assert_array_equal(found, q)


def test_a_buffer_two_graphs_share_comes_out_once_and_tables_are_not_trained(tmp_path: Path) -> None:
    array, table = RNG.normal(size=(4, 3)).astype(np.float32), np.arange(6, dtype=np.int32)
    tensors = [
        {"name": "w", "type": FLOAT, "shape": (4, 3), "data": array.tobytes()},
        {"name": "t", "type": INT32, "shape": (2, 3), "data": table.tobytes()},
        {"name": "input", "type": FLOAT, "shape": (1, 8), "data": b""},
    ]
    (tmp_path / "m.tflite").write_bytes(make(tensors, graphs=2))
    with open_weights(tmp_path / "m.tflite") as weights:
        assert [(t.name, t.trained) for t in weights.tensors] == [("w", True), ("t", False)]


MATRICES = {"image_cl": 77_360, "keyword_": 22_016, "streamin": 46_040, "visual_w": 208_112, "wakeword": 50_208}
"""Weights of rank two and more by folder, as the Keras and ONNX files of the same architectures have them."""


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs the real weight files")
@pytest.mark.parametrize("path", sorted(SHARED.glob("**/*.tflite")), ids=lambda path: path.name)
def test_real_files(path: Path) -> None:
    with open_weights(path) as weights:
        assert (
            sum(t.elements for t in weights.tensors if t.trained and len(t.shape) > 1) == MATRICES[path.parent.name[:8]]
        )
        assert all(np.isfinite(t.read()).all() for t in weights.tensors)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs the real weight files")
def test_int8_and_float_of_one_model_agree() -> None:
    folder = SHARED / "mlcommons-tiny/image_classification"
    with open_weights(folder / "trainedRes.tflite") as a, open_weights(folder / "trainedRes_quant.tflite") as b:
        for one in (t for t in a.tensors if len(t.shape) > 1):
            near = min(np.abs(one.read() - t.read()).max() for t in b.tensors if t.shape == one.shape)
            assert near <= np.abs(one.read()).max() / 127 * 0.51
