"""Wider layers, the same answers."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.attacks.laundered import NETS, change, launder, network  # noqa: E402
from whosenet.errors import UsageError  # noqa: E402


@pytest.mark.parametrize("kind", NETS)
def test_layers_grow_and_the_answers_stay(kind: str) -> None:
    outcome = launder("dummy-neurons", kind)
    assert change(kind, outcome) < 1e-4
    before, after = (sum(p.numel() for p in m.parameters()) for m in (network(kind).module, outcome.module))
    assert after > 1.04 * before


@pytest.mark.parametrize("what", ["zero", "split", "cancel"])
def test_each_kind_of_unit_says_nothing(what: str) -> None:
    outcome = launder("dummy-neurons", "plain", what=what, share=0.5, shuffle=False)
    assert change("plain", outcome) < 1e-5
    head, old = outcome.module.head.weight, network("plain").module.head.weight
    assert head.shape == (4, 30)
    if what == "zero":
        assert not head[:, 20:].any() and torch.equal(head[:, :20], old)
    if what == "cancel":
        assert torch.allclose(head[:, 20:].reshape(4, 5, 2).sum(2), torch.zeros(4, 5), atol=1e-6) and head[:, 20:].any()
    if what == "split":
        assert torch.allclose(head.sum(1), old.sum(1), atol=1e-5) and not torch.equal(head[:, :20], old)


def test_a_stream_that_a_norm_averages_keeps_its_width() -> None:
    module = launder("dummy-neurons", "llama").module
    assert module.norm1.weight.shape == (16,) and module.up.weight.shape[0] > 24


def test_behind_a_flattening_one_unit_is_many_columns() -> None:
    module = launder("dummy-neurons", "plain", share=0.5).module
    assert module.conv.weight.shape[0] == 10 and module.first.weight.shape[1] == 10 * 16


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 1.5}, {"what": "loud"}])
def test_parameters_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="share lies in"):
        launder("dummy-neurons", "plain", **wrong)
