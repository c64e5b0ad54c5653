"""Honest pairs that once came out `derived`, copies that once came out `independent`: found by attacking the test."""

from __future__ import annotations

from collections.abc import Callable

import nets
import numpy as np
import pytest

from whosenet.types import Verdict
from whosenet.verify.compare import Comparison, compare

Net = dict[str, np.ndarray]


def run(a: Net, b: Net, base: Net | None = None) -> Comparison:
    return compare(nets.weights(a), nets.weights(b), base=nets.weights(base) if base else None)


def stranger(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def with_identity(seed: int) -> Net:
    """RepVGG fused for deployment: a skip connection is in the kernel's diagonal."""
    draw = stranger(seed)
    net = {f"c{i}": 0.03 * draw.standard_normal((64, 64, 3, 3)) for i in range(4)}
    for kernel in net.values():
        kernel[np.arange(64), np.arange(64), 1, 1] += 0.3 + 0.03 * draw.standard_normal(64)
    return {k: v.astype(np.float32) for k, v in net.items()}


def grouped_identity(seed: int) -> Net:
    net = nets.net(seed, {f"c{i}": (64, 16, 3, 3) for i in range(4)})
    for kernel in net.values():
        kernel[np.arange(64), np.arange(64) % 16, 1, 1] += 5
    return net


def tiny_tensors(seed: int) -> Net:
    return nets.net(seed, {"fc1": (32, 20), "fc2": (10, 32), **{f"t{i}": (2, 2) for i in range(8)}})


def masks(seed: int) -> Net:
    tables = {f"mask{n}": np.triu(np.full((n, n), -1e9, np.float32), 1) for n in (64, 96)}
    return nets.net(seed) | tables


def anchors(seed: int) -> Net:
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(20)), -1).astype(np.float32)
    sizes = np.outer(2.0 ** np.arange(9), [0.71, 1, 1.41]).astype(np.float32)
    return nets.net(seed) | {"grid": grid, "anchors": sizes}


def gabor_banks(seed: int) -> Net:
    y, x = np.mgrid[-5:6, -5:6]
    angle = np.linspace(0, np.pi, 64)[:, None, None]
    wave = np.cos(1.3 * (x * np.cos(angle) + y * np.sin(angle))) * np.exp(-(x**2 + y**2) / 18)
    return nets.net(seed) | {"cos": wave.astype(np.float32), "sin": np.roll(wave, 3, 0).astype(np.float32)}


def public_table_twice(seed: int) -> Net:
    table = stranger(999).standard_normal((400, 300)).astype(np.float32)
    return nets.net(seed) | {"embedding": table, "output": table.copy()}


@pytest.mark.parametrize(
    "honest", [with_identity, grouped_identity, tiny_tensors, masks, anchors, gabor_banks, public_table_twice]
)
@pytest.mark.parametrize("seed", range(3))
def test_strangers_with_something_in_common_are_not_accused(honest: Callable[[int], Net], seed: int) -> None:
    found = run(honest(10 * seed + 1), honest(10 * seed + 2))
    assert found.verdict != "derived", (found.reason, found.log10_p)


def flipped(net: Net) -> Net:
    """Signs of units turned on both sides: the same function with tanh or batch norm."""
    draw = stranger(5)
    return {k: v * draw.choice([-1, 1], (v.shape[0],) + (1,) * (v.ndim - 1)).astype(np.float32) for k, v in net.items()}


def negated(net: Net) -> Net:
    return {k: -v for k, v in net.items()}


def with_decoys_and_inf(net: Net) -> Net:
    bad = {k: v.copy() for k, v in net.items()}
    bad["conv1.weight"].flat[0] = np.inf
    return bad


@pytest.mark.parametrize("launder", [flipped, negated, with_decoys_and_inf])
def test_laundered_copies_are_not_cleared(launder: Callable[[Net], Net]) -> None:
    net = nets.net(71)
    wanted: set[Verdict] = {"inconclusive", "derived"}
    assert run(net, launder(net)).verdict in wanted


def test_linear_maps_with_one_best_answer_do_not_convict(digits: tuple[np.ndarray, np.ndarray]) -> None:
    """Two least-squares heads fitted to halves of one data set agree: that is the data, not theft."""
    x = digits[0].reshape(len(digits[0]), -1).astype(np.float64)
    targets = np.eye(10)[digits[1]], (digits[1][:, None] % np.arange(2, 7) == 0).astype(float)

    def heads(part: slice) -> Net:
        return {f"h{i}": np.linalg.lstsq(x[part], t[part], rcond=1e-3)[0].T.astype("f4") for i, t in enumerate(targets)}

    assert run(heads(slice(None, 900)), heads(slice(900, None))).verdict != "derived"
