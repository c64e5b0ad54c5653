"""What a merged adapter leaves: a difference of low rank."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from whosenet.attacks.base import Outcome  # noqa: E402
from whosenet.errors import UsageError  # noqa: E402
from whosenet.networks.spec import Network  # noqa: E402

Run = Callable[..., Outcome]


def test_differences_have_the_adapters_rank(attack: Run, owner: Network) -> None:
    outcome = attack("lora-merge", rank=2, epochs=2)
    before, after = owner.module.state_dict(), outcome.module.state_dict()
    assert set(before) == set(after)
    for name in ("block.0.weight", "last.0.weight"):
        sizes = torch.linalg.svdvals((after[name] - before[name]).flatten(1).double())
        assert sizes[0] > 1e-3 and (sizes[2:] < 1e-4 * sizes[0]).all(), name
    assert torch.equal(before["depthwise.0.weight"], after["depthwise.0.weight"]), "grouped: no adapter"
    assert torch.equal(before["stem.1.running_mean"], after["stem.1.running_mean"])


def test_the_skill_stays(attack: Run) -> None:
    outcome = attack("lora-merge")
    assert outcome.accuracy_after > outcome.accuracy_before - 0.1


def test_no_rank_is_refused(attack: Run) -> None:
    with pytest.raises(UsageError, match="rank"):
        attack("lora-merge", rank=0)
