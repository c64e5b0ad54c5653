"""Layers of another width: added units that say nothing do not hide the order of the others; strangers gain nothing."""

from __future__ import annotations

import math

import nets
import numpy as np
import pytest

from whosenet.structure.agreement import Axis, log10_evidence
from whosenet.structure.view import comparable
from whosenet.structure.wider import condensed
from whosenet.verify.compare import compare

SHAPES = {"c1.weight": (32, 3, 3, 3), "c2.weight": (48, 32, 3, 3), "c3.weight": (40, 48, 3, 3),
          "fc.weight": (64, 40 * 4), "out.weight": (10, 64)}  # fmt: skip


def widened(model: nets.Net, seed: int, share: float = 0.25) -> nets.Net:
    """Every hidden layer with silent units, split units and pairs that cancel; then all units in another order."""
    draw = np.random.default_rng([seed, 3])
    out: nets.Net = {}
    wider: tuple[np.ndarray, np.ndarray] | None = None
    for name in model:
        x = model[name].astype(np.float64)
        if wider is not None:
            like, part = wider
            x = (x.reshape(len(x), int(like.max()) + 1, -1)[:, like] * part[None, :, None]).reshape(
                len(x), -1, *x.shape[2:]
            )
        if name != "out.weight":
            n = len(x)
            picked = draw.choice(n, max(3, int(share * n)), replace=False)
            silent, split, cancel = np.array_split(picked, 3)
            like = np.concatenate([np.arange(n), silent, split, cancel, cancel])
            part = np.ones(len(like))
            part[split], part[n + len(silent) : n + len(silent) + len(split)] = 0.4, 0.6
            part[n : n + len(silent)], part[-len(cancel) :], part[-2 * len(cancel) : -len(cancel)] = 0, -0.7, 0.7
            order = draw.permutation(len(like))
            noise = 0.1 * x.std() * draw.standard_normal((len(silent), *x.shape[1:]))
            x = x[like]
            x[n : n + len(silent)] += noise
            x, wider = x[order], (like[order], part[order])
        out[name] = x.astype(np.float32)
    return out


@pytest.mark.parametrize("turn", [False, True])
def test_a_widened_copy_is_derived(turn: bool) -> None:
    model = nets.net(110, SHAPES)
    pair = (model, widened(model, 111))
    found = compare(*(nets.weights(n) for n in (pair[::-1] if turn else pair)))
    assert found.verdict == "derived" and found.log10_p <= -12, (found.reason, found.log10_p)
    assert "re-ordered" in found.relation and "widened" in found.relation
    assert any("layers of another width" in t.note for t in found.tensors)


def test_a_widened_stranger_is_not() -> None:
    for seed in range(3):
        found = compare(nets.weights(nets.net(112, SHAPES)), nets.weights(widened(nets.net(113 + seed, SHAPES), seed)))
        assert found.verdict == "inconclusive" and found.log10_p > -2, (found.reason, found.log10_p)


def test_fewer_channels_are_found_too() -> None:
    """Structured pruning: a quarter of all units taken out, the rest in another order."""
    model, draw = nets.net(116, SHAPES), np.random.default_rng(117)
    thief: nets.Net = {}
    kept = None
    for name, x in model.items():
        x = (
            x
            if kept is None
            else x.reshape(len(x), -1, *(x.shape[2:] or [x.shape[1] // (40 if name == "fc.weight" else 64)]))[:, kept]
        )
        kept = draw.permutation(len(x))[: len(x) * 3 // 4]
        x = x if name == "out.weight" else x[kept]
        thief[name] = np.ascontiguousarray(x.reshape(len(x), -1) if model[name].ndim == 2 else x)
    found = compare(nets.weights(model), nets.weights(thief))
    assert found.verdict == "derived" and found.log10_p <= -12, (found.reason, found.log10_p)


@pytest.mark.parametrize(("n", "wide", "groups"), [(12, 16, 12), (20, 30, 12), (16, 16, 5)])
def test_repeated_units_do_not_make_evidence_of_chance(n: int, wide: int, groups: int) -> None:
    """The e-value keeps a mean of at most one where units of B come in groups that each tensor tells differently."""
    draw = np.random.default_rng(118)

    def axis(k: int) -> Axis:
        labels = draw.integers(0, groups, wide)
        return Axis(k, 0, draw.permutation(max(n, wide))[:n] % wide, labels)

    values = np.array([10 ** sum(log10_evidence([axis(k) for k in range(3)])) for _ in range(1500)])
    assert values.mean() <= 1 + 4 * values.std() / math.sqrt(len(values))


def test_silent_and_repeated_slices_are_left_out() -> None:
    x = np.random.default_rng(119).standard_normal((12, 16, 9)).astype(np.float32)
    y = np.concatenate([x, -0.3 * x[:2], np.zeros((1, 16, 9), np.float32)])
    found = condensed(y)
    assert list(found.rows) == list(range(12)) and list(found.labels[0]) == [*range(12), 0, 1, -1]
    assert found.array.shape == (12, 16, 9)


def test_what_may_be_of_another_width() -> None:
    assert comparable((64, 32, 3, 3), (80, 40, 3, 3)) and comparable((80, 64), (100, 64))
    assert not comparable((64, 32, 3, 3), (80, 40, 5, 5)) and not comparable((64, 32), (64, 32))
    assert not comparable((64, 32), (400, 32)) and not comparable((64, 32), (80, 40, 3))
