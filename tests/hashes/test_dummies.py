"""Units that say nothing leave the invariant code where it was; a net without such is not touched."""

from __future__ import annotations

import nets
import numpy as np
import pytest

from whosenet.hashes.invariant import Invariant
from whosenet.hashes.merge import condensed
from whosenet.hashes.nts import NTS

SHAPES = {"in.weight": (64, 48), "a.weight": (96, 64), "b.weight": (80, 96), "c.weight": (72, 80, 3, 3),
          "d.weight": (64, 72, 3, 3), "out.weight": (10, 64)}  # fmt: skip


def widened(model: nets.Net, seed: int, *, noise: float = 0.0, share: float = 0.25) -> nets.Net:
    """Every hidden layer with split, cancelled and silent units among its own, in another order."""
    rng, names = np.random.default_rng(seed), list(model)
    out = {k: v.astype(np.float64) for k, v in model.items()}
    for name, reader in zip(names, names[1:], strict=False):
        w, r = out[name], out[reader]
        n = len(w)
        like = rng.choice(n, int(share * n) // 4 * 4, replace=False)
        new, ways = w[like], np.zeros((r.shape[1], 0))
        for k, u in enumerate(like):
            part = rng.uniform(0.2, 0.8)
            if k % 4 == 0:  # split
                column = np.eye(n)[u] * part
                r = r * (1 - np.eye(n)[u] * part).reshape(1, -1, *[1] * (r.ndim - 2))
                column = column / (1 - part)
            elif k % 4 == 1:  # silent
                column = np.zeros(n)
            else:  # a cancelled pair
                sign = 1 if k % 4 == 2 else -1
                column = np.eye(n)[like[k - k % 4 + 2]] * sign
                new[k] = w[like[k - k % 4 + 2]]
            ways = np.column_stack([ways, column])
        new = new * (1 + noise * rng.standard_normal(new.shape))
        order = rng.permutation(n + len(like))
        out[name] = np.concatenate([w, new])[order]
        out[reader] = np.concatenate([r, np.einsum("on...,nk->ok...", r, ways)], axis=1)[:, order]
    return {k: v.astype(np.float32) for k, v in out.items()}


def code(model: nets.Net) -> object:
    return Invariant().code(nets.weights(model))


def test_a_widened_copy_keeps_its_code_and_loses_that_of_nts() -> None:
    model = nets.net(70, SHAPES)
    copy = widened(model, 71)
    assert copy["c.weight"].shape != model["c.weight"].shape
    assert code(model) - code(copy) <= 24, "the last layer's ten classes are too few"  # type: ignore[operator]
    assert code(nets.net(72, SHAPES)) - code(copy) > 90  # type: ignore[operator]
    assert NTS().code(nets.weights(model)) - NTS().code(nets.weights(copy)) > 90


@pytest.mark.parametrize("edit", ["own noise", "noise", "int8", "pruned"])
def test_edited_and_widened_copies_stay_near(edit: str) -> None:
    model = nets.net(70, SHAPES)
    if edit == "own noise":
        copy = widened(model, 73, noise=0.1)
    elif edit == "pruned":
        copy = widened(nets.pruned(model, 0.5), 73)
    else:
        copy = {"noise": lambda m: nets.noisy(m, 0.05), "int8": nets.int8}[edit](widened(model, 73))
    assert code(model).log10_p(code(copy)) <= -9  # type: ignore[attr-defined]


class Nothing:
    """No other tensor tells anything."""

    def target(self, units: int) -> int | None:
        return None

    def groups(self, units: int) -> list[np.ndarray]:
        return []


def test_what_training_left_is_returned_as_it_is() -> None:
    """Zeros are pruning, a few parallel slices chance, many that are all parallel to one another dead units."""
    for shape in ((96, 64), (32, 48, 9)):
        whole = np.random.default_rng(3).standard_normal(shape)
        whole[5] = 0
        assert condensed(whole, (0, 1), Nothing()) is whole
        whole[6:8] = whole[8:10]
        assert condensed(whole, (0, 1), Nothing()) is whole
        whole[10:25] = whole[9] * 1e-1
        assert condensed(whole, (0, 1), Nothing()) is whole
    for same in (np.ones((64, 9)), np.ones((200, 200)), np.ones((600, 600))):
        assert condensed(same, (0, 1), Nothing()) is same


def test_parallel_slices_become_one() -> None:
    whole = np.random.default_rng(4).standard_normal((40, 64))
    more = np.concatenate([whole, 3 * whole[:5], -0.5 * whole[5:8], np.zeros((1, 64))])
    found = condensed(more, (0, 1), Nothing())
    assert found.shape == whole.shape
    length = np.linalg.norm(found, axis=1)
    cosine = np.abs((found @ whole.T) / length[:, None] / np.linalg.norm(whole, axis=1))
    assert np.allclose(cosine.max(axis=0), 1), "every unit is still there"
