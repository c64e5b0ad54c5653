"""Batch norms gone, answers kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.attacks.laundered import PIXELS, change, launder, network  # noqa: E402
from whosenet.attacks import folder  # noqa: E402
from whosenet.attacks.base import Outcome  # noqa: E402
from whosenet.errors import UsageError  # noqa: E402
from whosenet.networks.images import Images  # noqa: E402
from whosenet.networks.predict import logits  # noqa: E402
from whosenet.networks.spec import Network, load_network  # noqa: E402


@pytest.mark.parametrize("kind", ["residual", "mobile"])
def test_batch_norms_behind_a_layer_are_gone(kind: str) -> None:
    outcome = launder("fold", kind)
    assert change(kind, outcome) < 1e-5
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in outcome.module.modules())


def test_factors_of_other_norms_go_into_their_readers() -> None:
    for kind in ("vision", "llama"):
        outcome = launder("fold", kind)
        assert change(kind, outcome) < 1e-5
        module = outcome.module
        assert torch.allclose(module.norm1.weight.abs(), torch.ones(16)) and module.norm1.weight.std() < 1e-6
        assert not torch.equal(module.attention.q_proj.weight, network(kind).module.attention.q_proj.weight)


@pytest.mark.parametrize("kind", ["plain", "dense"])
def test_nothing_to_fold_is_said(kind: str) -> None:
    """Nor can a batch norm be folded that takes what was put side by side."""
    with pytest.raises(UsageError, match="no batch norm"):
        launder("fold", kind)


def test_the_folder_makes_the_folded_network(owner: Network, thief: Images, tmp_path: Path) -> None:
    from whosenet import registry

    outcome: Outcome = registry.load("attack", "fold")().run(owner, thief, held_out=thief)
    copy = load_network(str(folder.write(outcome, owner, tmp_path)))
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in copy.module.modules())
    assert np.abs(logits(copy.module, PIXELS.x) - logits(owner.module, PIXELS.x)).max() < 1e-4
