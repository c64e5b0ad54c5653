"""Each trace on a pair where it must speak, the other way round, and on strangers and twins where it must not."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tests.nets import int8, low_rank, net, noisy, pruned
from whosenet.lineage import traces

A = net(1, draw=low_rank)


def pairs(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(a[k].astype(np.float64), b[k].astype(np.float64)) for k in a]


def tuned(model: dict[str, np.ndarray], seed: int = 4) -> dict[str, np.ndarray]:
    """Steps along what is there, as training takes them: not independent of either side."""
    rng = np.random.default_rng(seed)
    return {k: (v * (1 + 0.05 * rng.random(v.shape))).astype(np.float32) for k, v in model.items()}


def cast(model: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {k: v.astype(ml_dtypes.bfloat16).astype(np.float32) for k, v in model.items()}


def lora(model: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {k: v + 0.02 * (rng.standard_normal((len(v), 2)) @ rng.standard_normal((2, v[0].size))).reshape(v.shape)
            for k, v in model.items()}  # fmt: skip


CASES = {
    traces.pruned: pruned(A, 0.5),
    traces.quantised: int8(A),
    traces.cast: cast(A),
    traces.added: noisy(A, 0.05),
}


@pytest.mark.parametrize("trace", CASES)
def test_it_knows_which_came_first(trace: object) -> None:
    forth, back = trace(pairs(A, CASES[trace])), trace(pairs(CASES[trace], A))  # type: ignore[operator]
    assert len(forth) == len(back) == 1
    assert forth[0].odds > 3 and back[0].odds == -forth[0].odds


@pytest.mark.parametrize("trace", [*CASES, traces.low_rank])
def test_it_is_silent_where_there_is_nothing(trace: object) -> None:
    assert not trace(pairs(A, net(2, draw=low_rank)))  # type: ignore[operator]
    assert not trace(pairs(A, tuned(A)))  # type: ignore[operator]


def test_zeros_that_training_filled_are_no_pruning() -> None:
    start = pruned(A, 0.5)
    rng = np.random.default_rng(3)
    later = {k: (v + 0.002 * rng.standard_normal(v.shape)).astype(np.float32) for k, v in start.items()}
    found = traces.pruned(pairs(start, later))
    assert found[0].word == "refilled" and found[0].odds > 0, "the sparse one came first"


def test_pruned_and_then_tuned_is_still_later() -> None:
    later = {k: np.where(v != 0, v * 1.03, 0) for k, v in pruned(A, 0.5).items()}
    assert traces.pruned(pairs(A, later))[0].odds > 3


def test_a_low_rank_difference_is_seen_and_says_nothing_of_direction() -> None:
    found = traces.low_rank(pairs(A, lora(A)))
    assert found[0].word == "lora" and found[0].odds == 0 and "rank 2" in found[0].text


def test_names_in_a_text_are_only_names() -> None:
    trace = traces.Trace("x", f"{traces.B} after {traces.A}", 1.0)
    assert trace.said("{b}", "{a}") == "{a} after {b}"
