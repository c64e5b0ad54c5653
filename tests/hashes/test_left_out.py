"""Which tensors speak for a model: fixed bases, masks and tables do not, trained-looking ones do."""

from __future__ import annotations

import itertools

import ml_dtypes
import nets
import numpy as np
import pytest
from scipy import fft

from whosenet.errors import TooFewWeights
from whosenet.finding.hashing import hasher
from whosenet.hashes.canonical import canonical, orders, symmetric, why_left_out

RNG = np.random.default_rng(0)


def _stft(window: int = 256) -> np.ndarray:
    t, f = np.arange(window), np.arange(window // 2 + 1)
    angle = 2 * np.pi * np.outer(f, t) / window
    return (np.concatenate([np.cos(angle), np.sin(angle)]) * np.hanning(window))[:, None, :]


def _positions(length: int = 512, width: int = 64) -> np.ndarray:
    angle = np.arange(length)[:, None] / 10_000 ** (np.arange(0, width, 2) / width)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, width)


def _mel(bands: int = 40, bins: int = 201) -> np.ndarray:
    edges = np.linspace(0, bins, bands + 2)
    k = np.arange(bins)
    up, down = (k - edges[:-2, None]) / np.diff(edges)[:-1, None], (edges[2:, None] - k) / np.diff(edges)[1:, None]
    return np.clip(np.minimum(up, down), 0, None)


FIXED = {
    "stft": _stft(),
    "positions": _positions(),
    "dct": fft.dct(np.eye(64), norm="ortho"),
    "dct 40 of 128": fft.dct(np.eye(128), norm="ortho")[:40],
    "mel": _mel(),
    "identity": np.eye(50),
    "causal mask": np.tri(64),
    "zeros": np.zeros((8, 8)),
    "ones": np.full((16, 3, 3), 0.3),
    "box kernel": np.kron(np.eye(16), np.ones((1, 1))).reshape(16, 16, 1, 1),
    "table": np.arange(400, dtype=np.int32).reshape(20, 20),
    "bool mask": RNG.random((30, 30)) < 0.3,
    "bias": RNG.standard_normal(300),
    "bias with ones": RNG.standard_normal((1, 300, 1)),
    "empty": np.zeros((0, 40), np.float32),
    "scalar": np.ones((1,)),
    "one by one": np.ones((1, 1)),
    "not finite": np.full((20, 20), np.nan),
}
TRAINED = {
    "dense": RNG.standard_normal((64, 100)),
    "conv1d": RNG.standard_normal((128, 1, 64)),
    "conv2d": RNG.standard_normal((64, 3, 7, 7)),
    "embedding": RNG.standard_t(4, (3000, 64)),
    "smooth conv1d": np.cumsum(RNG.standard_normal((64, 1, 40)), axis=-1),
    "first layer": np.maximum(RNG.standard_normal((96, 3, 11, 11)), -0.1),
    "pruned": np.where(RNG.random((64, 100)) < 0.7, 0, RNG.standard_normal((64, 100))),
    "learned positions": np.cumsum(RNG.standard_normal((256, 64)), axis=0),
    "low rank": nets.low_rank(RNG, (100, 80)),
    "shifted": RNG.standard_normal((64, 100)) + 5,
    "tiny": RNG.standard_normal((64, 100)) * 1e-30,
}


@pytest.mark.parametrize("name", FIXED)
def test_what_nobody_trained_is_left_out(name: str) -> None:
    x = FIXED[name]
    assert why_left_out(nets.tensor(x.astype(np.float32) if x.dtype == float else x))


@pytest.mark.parametrize("name", TRAINED)
def test_what_looks_trained_is_used(name: str) -> None:
    assert why_left_out(nets.tensor(TRAINED[name].astype(np.float32))) is None
    assert why_left_out(nets.tensor(TRAINED[name].astype(np.float32), trained=False))


@pytest.mark.parametrize("name", ["stft", "positions", "dct", "mel", "identity", "causal mask", *TRAINED])
def test_storage_order_does_not_decide(name: str) -> None:
    x = np.asarray({**FIXED, **TRAINED}[name], np.float32).squeeze()
    reasons = set()
    for order in itertools.permutations(range(x.ndim)):
        turned = np.ascontiguousarray(x.transpose(order))
        for at in (0, turned.ndim):
            reasons.add(bool(why_left_out(nets.tensor(np.expand_dims(turned, at)))))
    assert len(reasons) == 1


@pytest.mark.parametrize("name", ["stft", "dct", "mel", "positions", "identity"])
@pytest.mark.parametrize("kind", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_types_do_not_decide(name: str, kind: type) -> None:
    assert why_left_out(nets.tensor(FIXED[name].astype(kind), trained=True))


@pytest.mark.parametrize("seed", range(40))
def test_random_nets_are_never_left_out(seed: int) -> None:
    draw = (nets.gaussian, nets.heavy, nets.low_rank)[seed % 3]
    for tensor in nets.weights(nets.net((8, seed), draw=draw)).tensors:
        assert why_left_out(tensor) is None


def test_fixed_bases_alone_are_refused_with_their_reasons() -> None:
    held = {k: FIXED[k].astype(np.float32) for k in ("stft", "mel", "ones", "bias")}
    with pytest.raises(TooFewWeights, match=r"bases\.st.*constant, fewer than two.*, fixed basis, mask.*compare A B"):
        hasher().code(nets.weights(held, name="bases.st"))


def test_a_shared_basis_does_not_bring_strangers_together() -> None:
    method, held = hasher(), {k: FIXED[k].astype(np.float32) for k in ("stft", "positions", "dct", "mel")}
    for seed in range(6):
        a, b = (method.code(nets.weights(held | nets.net((seed, i)))) for i in range(2))
        assert a == method.code(nets.weights(nets.net((seed, 0)))) and a - b > 80


def test_canonical_drops_ones_and_sorts() -> None:
    layout = canonical((1, 3, 64, 1, 3, 128))
    assert layout.shape == (128, 64, 3, 3) and layout.squeezed == (3, 64, 3, 128)
    assert [layout.squeezed[a] for a in layout.order] == [128, 64, 3, 3]
    assert canonical((1, 1)).shape == () and canonical(()).shape == ()


def test_orders_keep_the_shape_and_symmetric_is_symmetric() -> None:
    assert orders((5, 4, 3)) == [(0, 1, 2)] and len(orders((4, 4, 3, 3))) == 4 and len(orders((2,) * 5)) == 120
    x = RNG.standard_normal((6, 6, 3, 3))
    for order in orders(x.shape):
        np.testing.assert_array_equal(symmetric(x), symmetric(x).transpose(order))
        np.testing.assert_array_equal(symmetric(x), symmetric(x.transpose(order)))
