"""Models about which little can be said: a reason, never a crash, never an accusation."""

from __future__ import annotations

import math
from pathlib import Path

import nets
import numpy as np
import pytest

from whosenet.errors import UnreadableInput
from whosenet.verify.compare import compare
from whosenet.weights import open_weights

NET = nets.net(95, {"a": (32, 24), "b": (40, 32), "c": (10, 40)})
ODD = {
    "no common layer": nets.net(96, {"x": (33, 25), "y": (41, 33)}),
    "one tensor": {"a": NET["a"]},
    "all zeros": {k: np.zeros_like(v) for k, v in NET.items()},
    "all ones": {k: np.ones_like(v) for k, v in NET.items()},
    "vectors only": {"bias": np.ones(7, np.float32)},
    "nothing": {},
    "a row of zeros": {
        k: v * (np.arange(len(v)) > 0)[:, None] for k, v in nets.net(97, {"a": (32, 24), "b": (40, 32)}).items()
    },
    "not finite": {k: np.where(v > 0.1, np.nan, v).astype(np.float32) for k, v in NET.items()},
    "one column": {"a": NET["a"][:, :1], "b": NET["b"][:, :1]},
    "five equal axes": {"a": np.ones((3, 3, 3, 3, 3), np.float32), "b": NET["b"]},
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_reason_is_given(kind: str, swap: bool) -> None:
    pair = (ODD[kind], NET) if swap else (NET, ODD[kind])
    found = compare(*(nets.weights(n) for n in pair))
    assert found.verdict != "derived" and found.relation == [] and found.reason and math.isfinite(found.log10_p)


@pytest.mark.parametrize("kind", sorted(ODD))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_model_and_itself(kind: str) -> None:
    found = compare(nets.weights(ODD[kind]), nets.weights(ODD[kind]))
    assert math.isfinite(found.log10_p) and found.reason


def test_one_tensor_many_times_over() -> None:
    """Duplicates testify once: strangers with eight copies of their one tensor are no more alike for it."""
    draw = np.random.default_rng(98)

    def model(seed: int) -> nets.Net:
        w = nets.net(seed, {"w": (48, 32)})["w"]
        return {f"w{i}": w[draw.permutation(48)] if i % 2 else w for i in range(8)}

    found = compare(nets.weights(model(99)), nets.weights(model(100)))
    assert found.verdict != "derived", (found.reason, found.log10_p)


def test_a_copy_among_duplicates_is_found() -> None:
    draw = np.random.default_rng(101)
    order = [draw.permutation(n) for n in (32, 40)]
    thief = {"a": NET["a"][order[0]], "b": NET["b"][order[1]][:, order[0]], "c": NET["c"][:, order[1]]}
    found = compare(nets.weights(NET | {"copy": NET["b"]}), nets.weights(thief))
    assert found.verdict == "derived" and found.relation == ["re-ordered"]


def onnx_file(path: Path, seed: int, names: list[tuple[str, str]], lost: str = "") -> Path:
    """Three matrices in a chain but `lost`, between nodes that only pass on, as the (from, to) in `names` say."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    net = nets.net(seed, {"w1": (48, 32), "w2": (32, 40), "w3": (40, 24)})
    nodes = [helper.make_node("Identity", [a], [b]) for a, b in names]
    nodes += [
        helper.make_node("MatMul", [x, w], [y]) for x, w, y in (("x", "w1", "h"), ("h", "w2", "g"), ("g", "w3", "y"))
    ]
    value = helper.make_tensor_value_info
    ends = [value("x", 1, [1, 48])], [value("y", 1, [1, 24])]
    tensors = [numpy_helper.from_array(v, k) for k, v in net.items() if k != lost]
    path.write_bytes(helper.make_model(helper.make_graph(nodes, "g", *ends, tensors)).SerializeToString())
    assert onnx.__name__ == "onnx"
    return path


GRAPHS: dict[str, tuple[list[tuple[str, str]], str]] = {
    "a cycle": ([("a", "b"), ("b", "a")], ""),
    "a cycle through the layers": ([("y", "x")], ""),
    "a node that reads nothing": ([("nowhere", "x2"), ("x2", "h")], ""),
    "a missing initialiser": ([], "w1"),
    "a missing initialiser within": ([], "w2"),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_cycles_and_missing_initialisers(tmp_path: Path, kind: str) -> None:
    """The order of units is told by the numbers, so a graph that makes no sense neither hangs nor misleads."""
    pair = [onnx_file(tmp_path / f"{seed}.onnx", seed, *GRAPHS[kind]) for seed in (102, 103)]
    with open_weights(pair[0]) as a, open_weights(pair[1]) as b:
        assert compare(a, b).verdict != "derived" and compare(a, a).verdict == "derived"


def test_all_initialisers_missing_is_a_reason_or_a_clear_error(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = onnx_file(tmp_path / "none.onnx", 104, [])
    model = onnx.load(path)
    del model.graph.initializer[:]
    onnx.save(model, path)
    try:
        with open_weights(path) as a:
            found = compare(a, nets.weights(NET))
    except UnreadableInput as error:
        assert "none.onnx" in str(error)
    else:
        assert found.verdict == "inconclusive" and found.reason
