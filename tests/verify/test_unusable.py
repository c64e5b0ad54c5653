"""Models about which little can be said: a reason, never a crash, never an accusation."""

from __future__ import annotations

import math

import nets
import numpy as np
import pytest

from whosenet.verify.compare import compare

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
