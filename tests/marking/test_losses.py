"""What a batch is asked for."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from whosenet.marking.losses import firmly  # noqa: E402


def _pull(said: torch.Tensor, temperature: float) -> torch.Tensor:
    """Gradient of the loss of logits [1, classes] whose target is class 0."""
    said = said.clone().requires_grad_()
    firmly(said, torch.zeros(1, dtype=torch.int64), temperature).backward()
    assert said.grad is not None
    return said.grad


def test_at_temperature_one_it_is_cross_entropy() -> None:
    said = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 3, 6, 1, 2])
    assert torch.equal(firmly(said, targets, 1.0), F.cross_entropy(said, targets))


@pytest.mark.parametrize("temperature", [2.0, 3.0, 10.0])
def test_it_pulls_alike_at_first_and_until_targets_lead_by_so_many_times_as_much(temperature: float) -> None:
    undecided, leading = torch.zeros(1, 4), torch.tensor([[4.0, 0.0, 0.0, 0.0]])
    assert torch.allclose(_pull(undecided, temperature), _pull(undecided, 1.0))
    assert _pull(leading, temperature).abs().sum() > 1.5 * _pull(leading, 1.0).abs().sum()
    assert torch.allclose(_pull(leading * temperature, temperature), _pull(leading, 1.0), atol=1e-6)
