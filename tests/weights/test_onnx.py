from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from whosenet.weights import Tensor, open_weights

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SHARED = Path(__file__).resolve().parents[2] / "../shared/models"
RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(8, 4, 3, 3)).astype(np.float32)


def save(path: Path, initializers: list[TensorProto], nodes: list[object] | None = None) -> Path:
    graph = helper.make_graph(nodes or [], "g", [], [], initializers)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def read(path: Path) -> dict[str, Tensor]:
    """The tensors by name; each is also read row by row, which has to give the same."""
    weights = open_weights(path)
    assert weights.format == "onnx"
    for tensor in weights.tensors:
        rows = [tensor.read(i, i + 1) for i in range(tensor.shape[0])]
        if rows:
            np.testing.assert_array_equal(np.concatenate(rows), tensor.read())
    return {t.name: t for t in weights.tensors}


def initializer(name: str, array: np.ndarray) -> TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(array), name)


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_raw_floats(tmp_path: Path, kind: str) -> None:
    array = KERNEL.astype(getattr(np, kind, None) or getattr(ml_dtypes, kind))
    tensor = read(save(tmp_path / "m.onnx", [initializer("w", array)]))["w"]
    assert tensor.dtype == kind and tensor.trained and tensor.raw().flags.aligned
    np.testing.assert_array_equal(tensor.read(), array.astype(np.float32))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (TensorProto.FLOAT, np.float32),
        (TensorProto.DOUBLE, np.float64),
        (TensorProto.FLOAT16, np.float16),
        (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
        (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
        (TensorProto.INT8, np.int8),
        (TensorProto.INT64, np.int64),
        (TensorProto.UINT32, np.uint32),
    ],
)
def test_numbers_in_typed_fields(tmp_path: Path, code: int, kind: type) -> None:
    array = (np.abs(KERNEL * 20) if code == TensorProto.UINT32 else KERNEL * 20).astype(kind)
    tensor = helper.make_tensor("w", code, array.shape, array.reshape(-1))
    assert not tensor.raw_data
    found = read(save(tmp_path / "m.onnx", [tensor]))["w"]
    np.testing.assert_array_equal(found.read(), array.astype(np.float32))


def test_floats_stored_one_by_one(tmp_path: Path) -> None:
    """proto2 writers do not pack: tag 4, wire type 5, four bytes, again and again."""
    values = np.arange(6, dtype=np.float32)
    body = b"\x08\x02\x08\x03\x10\x01\x42\x01w" + b"".join(b"\x25" + v.tobytes() for v in values)
    tensor = TensorProto.FromString(body)
    assert list(tensor.float_data) == list(values)
    graph = b"\x2a" + bytes([len(body)]) + body
    (tmp_path / "m.onnx").write_bytes(b"\x08\x07\x3a" + bytes([len(graph)]) + graph)
    np.testing.assert_array_equal(read(tmp_path / "m.onnx")["w"].read(), values.reshape(2, 3))


def test_long_packed_varints_are_read_by_ranges(tmp_path: Path) -> None:
    array = RNG.normal(size=(400, 500)).astype(np.float16)
    tensor = helper.make_tensor("w", TensorProto.FLOAT16, array.shape, array.reshape(-1))
    with open_weights(save(tmp_path / "m.onnx", [tensor])) as weights:
        found = weights.tensors[0]
        for start, stop in [(131, 132), (0, 400), (262, 263), (399, 400), (130, 270), (5, 5)]:
            np.testing.assert_array_equal(found.raw(start, stop), array[start:stop])


def test_external_data(tmp_path: Path) -> None:
    model = helper.make_model(
        helper.make_graph([], "g", [], [], [initializer("w", KERNEL), initializer("v", KERNEL + 1)])
    )
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    found = read(tmp_path / "m.onnx")
    np.testing.assert_array_equal(found["v"].read(), KERNEL + 1)
    with open_weights(tmp_path / "m.onnx") as weights:
        assert weights.size >= 2 * KERNEL.nbytes


def test_constants_in_subgraphs_and_functions(tmp_path: Path) -> None:
    def branch(value: float) -> object:
        constant = helper.make_node("Constant", [], ["w"], value=initializer("inside", KERNEL * value))
        return helper.make_graph([constant], "b", [], [helper.make_tensor_value_info("w", 1, None)])

    node = helper.make_node("If", ["c"], ["y"], then_branch=branch(1), else_branch=branch(2))
    inner = helper.make_node("Constant", [], ["f"], value=initializer("x", KERNEL * 3))
    function = helper.make_function("d", "F", [], ["f"], [inner], [helper.make_opsetid("", 18)])
    model = helper.make_model(helper.make_graph([node], "g", [], []), functions=[function])
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    found = read(tmp_path / "m.onnx")
    assert len(found) == 3
    for name, factor in zip(found, (2, 1, 3), strict=True):  # else_branch comes before then_branch
        np.testing.assert_array_equal(found[name].read(), KERNEL * np.float32(factor))


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
@pytest.mark.parametrize("axis", [None, 0, 1, -1])
def test_dequantize_linear(tmp_path: Path, kind: type, axis: int | None) -> None:
    limits = np.iinfo(kind)
    q = RNG.integers(limits.min, limits.max, size=(6, 5, 3)).astype(kind)
    shape = () if axis is None else (q.shape[axis],)
    scale = RNG.uniform(0.01, 0.1, size=shape).astype(np.float32)
    zero = RNG.integers(0, 9, size=shape).astype(kind)
    options = {} if axis is None else {"axis": axis}
    node = helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], **options)
    found = read(
        save(tmp_path / "m.onnx", [initializer("q", q), initializer("s", scale), initializer("z", zero)], [node])
    )
    wide = [1 if axis is None or i != axis % 3 else -1 for i in range(3)]
    expected = (q.astype(np.float32) - zero.astype(np.float32).reshape(wide)) * scale.reshape(wide)
    np.testing.assert_allclose(found["q"].read(), expected, rtol=1e-6)
    assert found["q"].trained and found["q"].dtype == np.dtype(kind).name and not found["s"].trained


@pytest.mark.parametrize("axis", [0, 1])
def test_blocked_int4(tmp_path: Path, axis: int) -> None:
    q = RNG.integers(-8, 8, size=(8, 9)).astype(np.int8)
    scale = RNG.uniform(0.01, 0.1, size=(2, 9) if axis == 0 else (8, 3)).astype(np.float32)
    block = 4 if axis == 0 else 3
    packed = initializer("q", q.astype(ml_dtypes.int4))
    node = helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=axis, block_size=block)
    found = read(save(tmp_path / "m.onnx", [packed, initializer("s", scale)], [node]))["q"]
    np.testing.assert_allclose(found.read(), q * np.repeat(scale, block, axis=axis), rtol=1e-6)
    assert found.dtype == "int4"


def test_integer_products(tmp_path: Path) -> None:
    q = RNG.integers(-127, 128, size=(6, 4)).astype(np.int8)
    scale = RNG.uniform(0.01, 0.1, size=4).astype(np.float32)
    nodes = [
        helper.make_node("MatMulInteger", ["x", "q", "xz", "z"], ["p"]),
        helper.make_node("Cast", ["p"], ["pf"], to=1),
        helper.make_node("Mul", ["xs", "s"], ["both"]),
        helper.make_node("Mul", ["pf", "both"], ["y"]),
        helper.make_node("QLinearConv", ["a", "as", "az", "k", "ks", "kz", "ys", "yz"], ["c"]),
    ]
    kernel, ks = RNG.integers(-127, 128, size=(5, 2, 3, 3)).astype(np.int8), RNG.uniform(1, 2, 5).astype(np.float32)
    constants = {"q": q, "s": scale, "z": np.zeros(4, np.int8), "k": kernel, "ks": ks, "kz": np.zeros(5, np.int8)}
    found = read(save(tmp_path / "m.onnx", [initializer(*item) for item in constants.items()], nodes))
    np.testing.assert_allclose(found["q"].read(), q * scale, rtol=1e-6)
    np.testing.assert_allclose(found["k"].read(), kernel * ks[:, None, None, None], rtol=1e-6)
    assert [t.name for t in found.values() if t.trained] == ["q", "k"]


@pytest.mark.parametrize(("op", "order"), [("LSTM", "iofc->ifco"), ("GRU", "zrh->rzh")])
def test_gates_in_the_order_of_torch(tmp_path: Path, op: str, order: str) -> None:
    stored, wanted = order.split("->")
    hidden, width = 3, 5
    gates = {(d, g): RNG.normal(size=(hidden, width)).astype(np.float32) for d in range(2) for g in stored}
    w = np.stack([np.concatenate([gates[d, g] for g in stored]) for d in range(2)])
    b = RNG.normal(size=(2, 2 * len(stored) * hidden)).astype(np.float32)
    nodes = [
        helper.make_node("Identity", ["w"], ["same"]),
        helper.make_node(op, ["x", "same", "", "b"], ["y"], hidden_size=hidden, direction="bidirectional"),
    ]
    found = read(save(tmp_path / "m.onnx", [initializer("w", w), initializer("b", b)], nodes))
    for d, name in enumerate(["w", "w.reverse"]):
        np.testing.assert_array_equal(found[name].read(), np.concatenate([gates[d, g] for g in wanted]))
    parts = {g: b[1, (len(stored) + i) * hidden :][:hidden] for i, g in enumerate(stored)}
    np.testing.assert_array_equal(found["b.reverse.recurrent"].read(), np.concatenate([parts[g] for g in wanted]))
    assert set(found) == {"w", "w.reverse", "b", "b.recurrent", "b.reverse", "b.reverse.recurrent"}


def _recovered(path: Path, name: str, width: int) -> np.ndarray:
    """What onnxruntime multiplies by: the model's answer to the unit vectors."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {name: np.eye(width, dtype=np.float32)})[0])


@pytest.mark.parametrize(("bits", "stored_zeros"), [(4, False), (4, True), (8, False), (8, True)])
def test_weights_packed_into_few_bits(tmp_path: Path, bits: int, stored_zeros: bool) -> None:
    rows, columns, block = 6, 72, 32
    blocks = 3
    q = RNG.integers(0, 256, size=(rows, blocks, block * bits // 8)).astype(np.uint8)
    scale = RNG.uniform(0.01, 0.1, size=rows * blocks).astype(np.float32)
    zeros = RNG.integers(0, 256, size=rows * -(-blocks * bits // 8)).astype(np.uint8)
    inputs = ["x", "q", "s", "z"] if stored_zeros else ["x", "q", "s"]
    options = {"K": columns, "N": rows, "bits": bits, "block_size": block, "domain": "com.microsoft"}
    node = helper.make_node("MatMulNBits", inputs, ["y"], **options)
    x, y = (helper.make_tensor_value_info(n, 1, [72, d]) for n, d in (("x", columns), ("y", rows)))
    constants = [initializer("q", q), initializer("s", scale), initializer("z", zeros)]
    graph = helper.make_graph([node], "g", [x], [y], constants if stored_zeros else constants[:2])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
    found = read(path)
    assert found["q"].shape == (rows, columns) and [t.name for t in found.values() if t.trained] == ["q"]
    np.testing.assert_allclose(_recovered(path, "x", columns), found["q"].read().T, atol=1e-4)


def test_weights_quantised_by_onnxruntime(tmp_path: Path) -> None:
    quantization = pytest.importorskip("onnxruntime.quantization")
    weight, rnn = RNG.normal(size=(16, 12)).astype(np.float32), RNG.normal(size=(1, 20, 12)).astype(np.float32)
    recurrent = RNG.normal(size=(1, 20, 5)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("LSTM", ["h", "W", "R"], ["y"], hidden_size=5),
    ]
    x, y = helper.make_tensor_value_info("x", 1, [1, 1, 16]), helper.make_tensor_value_info("y", 1, [1, 1, 1, 5])
    constants = [initializer("w", weight), initializer("W", rnn), initializer("R", recurrent)]
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "a.onnx")
    for per_channel in (False, True):
        quantization.quantize_dynamic(tmp_path / "a.onnx", tmp_path / "b.onnx", per_channel=per_channel)
        plain, found = read(tmp_path / "a.onnx"), read(tmp_path / "b.onnx")
        assert {t.dtype for t in found.values() if t.trained} == {"int8"}
        for name, expected in [("w", weight), ("W", plain["W"].read().T), ("R", plain["R"].read().T)]:
            same = next(t for key, t in found.items() if t.trained and key.startswith(name))
            assert np.abs(same.read() - expected).max() < np.abs(expected).max() / 127


real = pytest.mark.skipif(not SHARED.exists(), reason="needs the real weight files")


def _floats(graph: onnx.GraphProto) -> int:
    """Floating-point constants of rank one and more, counted by the onnx package."""
    constants = [*graph.initializer]
    constants += [n.attribute[0].t for n in graph.node if n.op_type == "Constant" and n.attribute[0].name == "value"]
    kinds = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)
    inner = [a.g for n in graph.node for a in n.attribute if a.type == onnx.AttributeProto.GRAPH]
    return sum(int(np.prod(t.dims)) for t in constants if t.dims and t.data_type in kinds) + sum(map(_floats, inner))


@pytest.mark.shared
@real
@pytest.mark.parametrize("path", sorted(SHARED.glob("**/*.onnx")), ids=lambda path: path.name)
def test_real_files(path: Path) -> None:
    with open_weights(path) as weights:
        assert weights.parameters == _floats(onnx.load(path).graph) > 50_000
        assert all(np.isfinite(t.read()).all() for t in weights.tensors)


def _axis_free(array: np.ndarray) -> np.ndarray:
    """The numbers whatever the order of the axes."""
    return np.sort(array.reshape(-1))


@pytest.mark.shared
@real
def test_every_weight_of_the_original_is_in_the_export() -> None:
    """The export folded the batch norms 3, 8 and 13 into the convolutions before them."""
    folder = SHARED / "silero-vad/micro"
    with open_weights(folder / "model_micro.onnx") as a, open_weights(folder / "model_micro.safetensors") as b:
        found = [_axis_free(t.read()) for t in a.tensors]
        original = {t.name: t.read() for t in b.tensors if len(t.shape) > 1}
        norms = {t.name: t.read() for t in b.tensors if len(t.shape) == 1}
        for layer in (2, 7, 12):
            gain = norms[f"encoder.{layer + 1}.weight"] / np.sqrt(norms[f"encoder.{layer + 1}.running_var"] + 1e-5)
            original[f"encoder.{layer}.weight"] = original[f"encoder.{layer}.weight"] * gain[:, None, None]
        for name, weight in original.items():
            same = [
                f for f in found if f.size == weight.size and np.allclose(f, _axis_free(weight), rtol=1e-4, atol=1e-6)
            ]
            assert same, name


@pytest.mark.shared
@real
def test_both_networks_of_a_two_rate_model() -> None:
    with open_weights(SHARED / "silero-vad/v6.2/silero_vad.onnx") as weights:
        shapes = [t.shape for t in weights.tensors]
        assert {(130, 1, 128), (258, 1, 256)} <= set(shapes) and shapes.count((512, 128)) == 4
