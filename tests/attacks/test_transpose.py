"""The same numbers, stored the other way round."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from tests.attacks.laundered import NETS, change, launder, network  # noqa: E402


@pytest.mark.parametrize("kind", [k for k in NETS if k != "llama"])
def test_the_answers_stay(kind: str) -> None:
    assert change(kind, launder("transpose", kind)) < 1e-5


def test_every_matrix_is_stored_transposed() -> None:
    before, after = network("residual").module.state_dict(), launder("transpose", "residual").module.state_dict()
    assert set(before) == set(after)
    assert torch.equal(after["head.weight"], before["head.weight"].T)
    kernel = "blocks.2.first.weight"
    assert after[kernel].shape == (3, 3, 6, 10) and torch.equal(after[kernel], before[kernel].permute(2, 3, 1, 0))
