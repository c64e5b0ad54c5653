"""Layers re-ordered by a converter in a model that otherwise stands in place."""

from __future__ import annotations

import nets
import numpy as np
import pytest

from whosenet.verify.compare import compare

SHAPES = {
    "embed": (120, 48),
    "q": (48, 48),
    "k": (24, 48),
    "v": (24, 48),
    "o": (48, 48),
    "up": (96, 48),
    "down": (48, 96),
}


def interleaved(x: np.ndarray, heads: int) -> np.ndarray:
    """Rotary pairs side by side instead of in halves, as llama.cpp stores queries and keys."""
    return np.ascontiguousarray(x.reshape(heads, 2, -1, x.shape[1]).swapaxes(1, 2).reshape(x.shape))


def gates(x: np.ndarray) -> np.ndarray:
    """GRU gates r, z, n (PyTorch) as z, r, n (Keras, ONNX)."""
    r, z, n = np.split(x, 3)
    return np.concatenate([z, r, n])


def test_rotary_halves_are_explained() -> None:
    net = nets.net(120, SHAPES)
    other = {f"blk.0.{k}": v for k, v in net.items()} | {
        "blk.0.q": interleaved(net["q"], 4),
        "blk.0.k": interleaved(net["k"], 2),
    }
    found = compare(nets.weights(net, form="safetensors"), nets.weights(other, form="gguf"))
    notes = {t.a: (t.b, t.note) for t in found.tensors}
    assert found.verdict == "derived" and found.coverage == pytest.approx(1)
    assert found.relation == ["export", "re-ordered"]
    for name in "qk":
        assert notes[name] == (f"blk.0.{name}", "hidden units re-ordered"), notes[name]
    assert len([t for t in found.tensors if t.a]) == len(net)


def test_another_order_of_gates_is_explained() -> None:
    net = nets.net(121, {"embed": (100, 40), "w_ih": (96, 40), "w_hh": (96, 32), "out": (60, 32), "more": (70, 60)})
    found = compare(nets.weights(net), nets.weights(net | {k: gates(net[k]) for k in ("w_ih", "w_hh")}))
    notes = {t.a: t.note for t in found.tensors}
    assert found.verdict == "derived" and found.coverage == 1 and found.relation == ["re-ordered"]
    assert notes["w_ih"] == notes["w_hh"] == "hidden units re-ordered" and notes["out"] == "identical"


def test_a_strangers_layers_in_a_stolen_model_stay_untraced() -> None:
    net, other = nets.net(122, SHAPES), nets.net(123, SHAPES)
    found = compare(nets.weights(net), nets.weights(net | {k: other[k] for k in "qk"}))
    notes = {t.a: t.note for t in found.tensors}
    assert found.verdict == "derived" and notes["q"] == notes["k"] == "not traced" and found.coverage < 1


FLAT = {"c1": (12, 3, 5, 5), "c2": (32, 12, 5, 5), "fc1": (96, 512), "fc2": (64, 96), "head": (43, 64)}


def as_hwc(x: np.ndarray, channels: int) -> np.ndarray:
    """The matrix behind a flattening [c, h, w], of a net that flattens [h, w, c]."""
    return np.ascontiguousarray(x.reshape(len(x), channels, -1).swapaxes(1, 2).reshape(x.shape))


@pytest.mark.parametrize("largest", [512, 2048])
@pytest.mark.parametrize("back", [False, True])
def test_the_layer_behind_a_flattening_stored_as_hwc_is_explained(largest: int, back: bool) -> None:
    net = nets.net(124, FLAT | {"fc1": (96, largest)})
    pair = [nets.weights(n) for n in (net, net | {"fc1": as_hwc(net["fc1"], 32)})]
    found = compare(*pair[:: -1 if back else 1])
    assert found.verdict == "derived" and found.coverage == 1 and found.relation == ["re-ordered"]
    assert found.log10_p < -12


@pytest.mark.parametrize("shuffle", [False, True])
def test_public_layers_and_a_stranger_behind_them_are_no_descent(shuffle: bool) -> None:
    """Small layers frozen in both, and a large one of its own, or a public table in another order of its rows."""
    net, other = nets.net(125, FLAT), nets.net(126, FLAT)
    order = np.random.default_rng(127).permutation(512)
    last = net["fc1"][:, order] if shuffle else other["fc1"]
    found = compare(nets.weights(net), nets.weights(net | {"fc1": last}))
    assert found.verdict == "inconclusive" and found.coverage == 0, found.reason
