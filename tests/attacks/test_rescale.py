"""Other numbers, the same answers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.attacks.laundered import NETS, change, launder, network, untouched  # noqa: E402
from whosenet.errors import UsageError  # noqa: E402

KEPT = {
    "mobile": {"head.weight"},
    "vision": {"token", "places", "patch.weight", "mlp.2.weight"},
    "llama": {"embed.weight", "head.weight"},
}
"""What nothing but a bent activation feeds, what writes to a normed stream, and a table that is read twice."""


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("turn", [False, True])
def test_the_answers_stay_and_the_numbers_change(kind: str, turn: bool) -> None:
    outcome = launder("rescale", kind, turn=turn)
    assert change(kind, outcome) < 1e-4
    assert set(untouched(kind, outcome)) == KEPT.get(kind, set())


def test_units_are_scaled_by_their_own_factors_within_the_range() -> None:
    before, after = network("plain").module, launder("rescale", "plain", range=2.0).module
    factors = (after.conv.weight / before.conv.weight).flatten(1)
    assert torch.allclose(factors, factors[:, :1], rtol=1e-5) and len(factors[:, 0].unique()) == 6
    assert factors.min() >= 0.5 and factors.max() <= 2


def test_queries_of_a_rotary_attention_are_scaled_in_pairs() -> None:
    before, after = (n.attention.k_proj.weight for n in (network("llama").module, launder("rescale", "llama").module))
    factors = (after / before)[:, 0].reshape(2, 2, 2)  # groups, halves, pairs
    inputs = (after / before)[0] / (after / before)[0, 0]
    assert torch.allclose(factors[:, 0], factors[:, 1], rtol=1e-4) and inputs.std() > 0.1


def test_turned_values_are_another_basis_of_the_same_space() -> None:
    before, after = network("vision").module.attention, launder("rescale", "vision", turn=True).module.attention
    for head in range(4):
        rows = slice(4 * head, 4 * head + 4)
        # what the norm before passes on was scaled, so compare the values' lengths a head through their biases
        assert torch.allclose(before.v_proj.bias[rows].norm(), after.v_proj.bias[rows].norm(), rtol=1e-4)
        assert not torch.allclose(before.v_proj.bias[rows], after.v_proj.bias[rows], rtol=1e-2)


@pytest.mark.parametrize("most", [1.0, 0.5, float("nan"), 1e6])
def test_a_range_that_means_nothing_is_refused(most: float) -> None:
    with pytest.raises(UsageError, match="range"):
        launder("rescale", "plain", range=most)
