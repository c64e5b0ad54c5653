"""Shares of parents in a merged model."""

from __future__ import annotations

import nets
import numpy as np
import pytest

from whosenet.errors import UsageError
from whosenet.verify.merge import shares


def mixed(base: nets.Net, parents: list[nets.Net], parts: list[float]) -> nets.Net:
    return {k: sum((p * (m[k] - v) for p, m in zip(parts, parents, strict=True)), v) for k, v in base.items()}


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_task_arithmetic_is_taken_apart(noise: float) -> None:
    base = nets.net(80)
    parents = [nets.noisy(base, 0.3, seed) for seed in (1, 2, 3)]
    mix = nets.noisy(mixed(base, parents, [0.5, 0.3, 0.0]), noise, 4)
    found = shares(nets.weights(mix), [nets.weights(p, str(i)) for i, p in enumerate(parents)], nets.weights(base))
    assert [s.parent for s in found.shares] == ["0", "1", "2"]
    for share, truth in zip(found.shares, [0.5, 0.3, 0.0], strict=True):
        assert share.share == pytest.approx(truth, abs=0.02) and share.low - 1e-3 <= truth <= share.high + 1e-3
    assert found.explained > 0.97


def test_a_soup_without_a_base_adds_up_to_one() -> None:
    base = nets.net(81)
    a, b = nets.noisy(base, 0.3, 1), nets.noisy(base, 0.3, 2)
    mix = {k: (0.7 * a[k] + 0.3 * b[k]).astype(np.float32) for k in a}
    found = shares(nets.weights(mix), [nets.weights(a, "a"), nets.weights(b, "b")])
    assert [round(s.share, 2) for s in found.shares] == [0.7, 0.3]
    assert sum(s.share for s in found.shares) == pytest.approx(1)


def test_what_is_no_mix_is_not_explained() -> None:
    a, b, c = (nets.net(s) for s in (82, 83, 84))
    found = shares(nets.weights(c), [nets.weights(a), nets.weights(b)])
    assert found.explained < 0.6


@pytest.mark.parametrize("others", [[], [nets.net(85)]])
def test_too_few_models_are_a_usage_error(others: list[nets.Net]) -> None:
    with pytest.raises(UsageError, match="base"):
        shares(nets.weights(nets.net(86)), [nets.weights(o) for o in others])


def test_nothing_in_common_is_a_usage_error() -> None:
    other = nets.net(87, {"x": (30, 20)})
    with pytest.raises(UsageError, match="tensors of the mix"):
        shares(nets.weights(nets.net(88)), [nets.weights(other)], nets.weights(nets.noisy(other, 0.1)))
