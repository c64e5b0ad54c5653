"""What the demo writes is what the readers read, and what the exports compute is what the nets compute."""

from pathlib import Path

import numpy as np
import pytest

from whosenet.demo import files, onnx_export
from whosenet.demo.nets import State
from whosenet.find import open_weights

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("h5py")
pytest.importorskip("gguf")


def net(arch: str, seed: int = 0) -> State:
    """Random weights of an architecture."""
    from whosenet.demo.nets import build

    rng = np.random.default_rng(seed)
    shapes = {k: tuple(v.shape) for k, v in build(arch, classes=10).state_dict().items()}
    return {k: (rng.standard_normal(s) * 0.2).astype(np.float32) for k, s in shapes.items()}


def outputs(arch: str, state: State, images: np.ndarray) -> np.ndarray:
    from whosenet.demo.nets import build

    module = build(arch, classes=10)
    module.load_state_dict({k: torch.from_numpy(v) for k, v in state.items()})
    with torch.no_grad():
        return module(torch.from_numpy(images)).numpy()


IMAGES = np.random.default_rng(5).random((7, 1, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("arch", ["cnn", "mlp"])
@pytest.mark.parametrize(("int8", "tolerance"), [(False, 1e-4), (True, 0.05)])
def test_an_export_computes_what_the_net_computes(tmp_path: Path, arch: str, int8: bool, tolerance: float) -> None:
    state = net(arch)
    path = onnx_export.onnx_model(tmp_path / "net.onnx", arch, state, int8=int8)
    expected = outputs(arch, state, IMAGES)
    error = np.abs(onnx_export.logits(path, IMAGES) - expected).max()
    assert error <= tolerance * np.abs(expected).max()
    assert (error > 1e-4 * np.abs(expected).max()) == int8, "int8 must round, float32 must not"


@pytest.mark.parametrize("int8", [False, True])
def test_onnxruntime_agrees_with_the_reference(tmp_path: Path, int8: bool) -> None:
    runtime = pytest.importorskip("onnxruntime")
    path = onnx_export.onnx_model(tmp_path / "net.onnx", "cnn", net("cnn"), int8=int8)
    [got] = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"digits": IMAGES})
    np.testing.assert_allclose(got, onnx_export.logits(path, IMAGES), rtol=1e-3, atol=1e-4)


def numbers(path: Path) -> np.ndarray:
    """All weights of a file, sorted: whatever names, order and axes it has."""
    with open_weights(path) as weights:
        return np.sort(np.concatenate([t.read().ravel() for t in weights.tensors]))


WRITERS = {
    "model.safetensors": files.safetensors,
    "shards": files.shards,
    "model.npz": files.npz,
    "model.h5": files.keras_h5,
    "model.pt": files.checkpoint,
    "model.onnx": lambda path, state: onnx_export.onnx_model(path, "cnn", state),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_container_holds_the_same_numbers(tmp_path: Path, name: str) -> None:
    state = net("cnn")
    path = WRITERS[name](tmp_path / name, state)
    np.testing.assert_array_equal(numbers(path), np.sort(np.concatenate([v.ravel() for v in state.values()])))
    assert not list(tmp_path.rglob("part-*"))


def test_gguf_holds_eight_bits_of_them(tmp_path: Path) -> None:
    state = net("mlp")
    got = numbers(files.gguf(tmp_path / "model.gguf", state))
    np.testing.assert_allclose(got, np.sort(np.concatenate([v.ravel() for v in state.values()])), atol=0.01)


def test_channels_last_is_the_same_function() -> None:
    """The dense layer after the convolutions reads (row, column, channel) instead of (channel, row, column)."""
    state = net("cnn")
    features = np.random.default_rng(1).random((48, 2, 2))
    there = features.reshape(-1) @ state["dense.weight"].T
    here = features.transpose(1, 2, 0).reshape(-1) @ files.channels_last(state)["dense.weight"]
    np.testing.assert_allclose(here, there, rtol=1e-5)
